package advice

import (
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/proof"
)

var nextTexts = map[proof.Next]string{
	proof.Fetch:          ": run `mailhaul fetch`",
	proof.Verify:         ": run `mailhaul verify`",
	proof.PurgeAndFetch:  ": run `mailhaul purge` and `mailhaul fetch` until it lists none",
	proof.PurgeAndReport: ": after `mailhaul purge`, a new report shows whether more comes",
	proof.ReadOn:         ": see docs/switching.md",
	proof.Refetch:        ": `mailhaul state forget ACCOUNT UID` and `mailhaul fetch` bring again what the server still has",
	proof.Accept:         ": `mailhaul verify --accept-altered` accepts them as they are; if they are not right, `mailhaul state forget ACCOUNT UID` and `mailhaul fetch`",
	proof.Unlock:         ": make them readable, and run `mailhaul verify`",
	proof.ProveApart: ": look for some of them where they should be; for a proof, add an account with the same server and user, an `id` of its own and a maildir, " +
		"and run fetch, verify and report for it",
}

// Damaged is what to do about copies that are not as they were delivered.
func Damaged(account string, altered bool) []string {
	hints := []string{fmt.Sprintf("a mail reader may have moved, changed or deleted them; if none did, `mailhaul state forget %s UID` and a fetch bring again what the server still has", account)}
	if altered {
		hints = append(hints, fmt.Sprintf("altered copies that are right as they are: `mailhaul verify --accept-altered %s`", account))
	}
	return hints
}

// Remarks are those of a report, each with what to do.
func Remarks(list []proof.Remark) (texts []string) {
	for _, f := range list {
		texts = append(texts, f.Text+nextTexts[f.Next])
	}
	return texts
}
