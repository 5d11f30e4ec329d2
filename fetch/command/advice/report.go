package advice

import "github.com/mailhaul/mailhaul/fetch/proof"

var nextTexts = map[proof.Next]string{
	proof.Fetch:          ": run `mailhaul fetch`",
	proof.Verify:         ": run `mailhaul verify`",
	proof.PurgeAndFetch:  ": run `mailhaul purge` and `mailhaul fetch` until it lists none",
	proof.PurgeAndReport: ": after `mailhaul purge`, a new report shows whether more comes",
	proof.ReadOn:         ": see docs/switching.md",
}

// Remarks are those of a report, each with what to do.
func Remarks(list []proof.Remark) (texts []string) {
	for _, f := range list {
		texts = append(texts, f.Text+nextTexts[f.Next])
	}
	return texts
}
