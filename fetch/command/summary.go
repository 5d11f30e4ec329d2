package command

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// summaryRow is a run as JSON; hint is what to do about an account's error.
func summaryRow(s *fetch.Summary, hint func(account string, err error) string) jsonline.Summary {
	row := jsonline.Summary{
		Account:     s.Account,
		Started:     s.Started.UTC().Format(time.RFC3339),
		Seconds:     float64(int64(s.Seconds*1000)) / 1000,
		Listed:      s.Listed,
		Fetched:     s.Fetched,
		Skipped:     s.Skipped,
		Deleted:     s.Deleted,
		Failed:      s.Failed,
		Bytes:       s.Bytes,
		Exit:        int(fetch.ExitOf(s.Err)),
		Quarantined: s.Quarantined,
		Recovered:   s.Recovered,
		Earlier:     s.Earlier.Fetched + s.Earlier.Quarantined,
		Notes:       s.Notes,
	}
	if s.Err != nil {
		row.Error, row.Hint, row.Mail = s.Err.Error(), hint(s.Account, s.Err), s.Mail()
	}
	return row
}

// writeLine prints one finished account for a person.
func writeLine(w io.Writer, s *fetch.Summary) {
	if s.NotBegun {
		fmt.Fprintf(w, "%s: not begun\n", term.Printable(s.Account))
		return
	}
	parts := []string{"nothing new"}
	if s.Fetched > 0 {
		parts[0] = fmt.Sprintf("%s fetched (%s)", term.Plural(s.Fetched, "message"), humanize.IBytes(uint64(s.Bytes)))
	} else if s.Err != nil {
		parts[0] = "nothing fetched"
	}
	add := func(n int, format string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(format, n))
		}
	}
	add(s.Recovered, "%d of them retrieved by an earlier run")
	add(s.Earlier.Fetched+s.Earlier.Quarantined, "%d more delivered before by a run that left no record")
	add(s.Deleted, "%d deleted")
	add(s.Quarantined, "%d quarantined")
	for _, why := range slices.Sorted(maps.Keys(s.Skips)) {
		add(s.Skips[why], "%d skipped: "+why.String())
	}
	add(s.Failed, "%d failed")
	add(s.Listed-(s.Deleted-s.Before), "%d on the server")
	fmt.Fprintf(w, "%s: %s in %.1fs\n", term.Printable(s.Account), strings.Join(parts, ", "), s.Seconds)
}

// totalFrom is from how many accounts on the lines of a fetch have a total.
const totalFrom = 5

// writeTotal prints what many accounts come to.
func writeTotal(w io.Writer, sums []fetch.Summary) {
	var all fetch.Summary
	errs, waiting := 0, 0
	for i := range sums {
		s := &sums[i]
		all.Fetched, all.Bytes = all.Fetched+s.Fetched, all.Bytes+s.Bytes
		all.Deleted, all.Quarantined, all.Failed = all.Deleted+s.Deleted, all.Quarantined+s.Quarantined, all.Failed+s.Failed
		switch {
		case s.NotBegun:
			waiting++
		case s.Err != nil:
			errs++
		}
	}
	line := fmt.Sprintf("total: %s, %s fetched (%s)", term.Plural(len(sums), "account"), term.Plural(all.Fetched, "message"), humanize.IBytes(uint64(all.Bytes)))
	for _, part := range []struct {
		n    int
		text string
	}{
		{all.Deleted, "%d deleted"}, {all.Quarantined, "%d quarantined"}, {all.Failed, "%d failed"},
		{errs, "errors in " + term.Plural(errs, "account")}, {waiting, term.Plural(waiting, "account") + " not begun"},
	} {
		if part.n > 0 {
			line += ", " + strings.ReplaceAll(part.text, "%d", fmt.Sprint(part.n))
		}
	}
	fmt.Fprintln(w, line)
}
