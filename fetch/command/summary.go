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

func writeSummaryJSON(e *call, s *fetch.Summary) error {
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
		Notes:       s.Notes,
	}
	if s.Err != nil {
		row.Error, row.Hint, row.Mail = s.Err.Error(), e.hint(s.Account, s.Err), s.Mail()
	}
	return jsonline.Write(e.out.Out, row)
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
	add(s.Deleted, "%d deleted")
	add(s.Quarantined, "%d quarantined")
	for _, why := range slices.Sorted(maps.Keys(s.Skips)) {
		add(s.Skips[why], "%d skipped: "+why.String())
	}
	add(s.Failed, "%d failed")
	add(s.Listed-(s.Deleted-s.Before), "%d on the server")
	fmt.Fprintf(w, "%s: %s in %.1fs\n", term.Printable(s.Account), strings.Join(parts, ", "), s.Seconds)
}
