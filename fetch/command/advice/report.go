package advice

import (
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/proof"
)

// nextTexts follow a remark; ACCOUNT stands for the name.
var nextTexts = map[proof.Next]string{
	proof.Fetch:          ": run `mailhaul fetch ACCOUNT`",
	proof.Verify:         ": run `mailhaul verify ACCOUNT`",
	proof.PurgeAndFetch:  ": run `mailhaul purge ACCOUNT` and `mailhaul fetch ACCOUNT` until it lists none",
	proof.PurgeAndReport: ": after `mailhaul purge ACCOUNT`, a new report shows whether more comes",
	proof.ReadOn:         ": see docs/switching.md",
	proof.Refetch:        ": `mailhaul state forget ACCOUNT UID` and `mailhaul fetch ACCOUNT` bring again what the server still has",
	proof.Accept:         ": `mailhaul verify --accept-altered ACCOUNT` accepts them as they are; if they are not right, `mailhaul state forget ACCOUNT UID` and `mailhaul fetch ACCOUNT`",
	proof.Unlock:         ": make them readable, and run `mailhaul verify ACCOUNT`",
	proof.ProveApart: ": look for some of them where they should be; for a proof, add an account with the same server and user, an `id` of its own and a maildir, " +
		"and run fetch, verify and report for it",
}

// Damaged is what to do about copies that are not as they were delivered.
func Damaged(account string, missing, altered, unreadable bool) (hints []string) {
	if missing || altered {
		hints = append(hints, fmt.Sprintf("a mail reader may have moved, changed or deleted them; if none did, `mailhaul state forget %s UID` "+
			"and a fetch bring again what the server still has", account))
	}
	if unreadable {
		hints = append(hints, fmt.Sprintf("what could not be read may be as it was delivered: see the errors, and run `mailhaul verify %s` again", account))
	}
	if altered {
		hints = append(hints, fmt.Sprintf("altered copies that are right as they are: `mailhaul verify --accept-altered %s`", account))
	}
	return hints
}

// Remarks are those of the report of an account, each with what to do.
func Remarks(account string, list []proof.Remark) (texts []string) {
	for _, f := range list {
		texts = append(texts, f.Text+strings.ReplaceAll(nextTexts[f.Next], "ACCOUNT", account))
	}
	return texts
}
