// Package term prints for people and asks them: streams, tables, progress bars
// and questions. It knows no command and no configuration.
package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// Printable replaces what could steer a terminal or break a line: control
// characters, direction marks and broken UTF-8 become visible escapes.
func Printable(s string) string {
	ok := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case ok(r):
			b.WriteRune(r)
		case r == utf8.RuneError || r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Columns aligns cells that are separated by tabs.
func Columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// IsTerminal reports whether w is a terminal.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Plural is a count with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		noun = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Stamp is a time for people, in their zone.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// When is a time for people as its distance from now: "3m ago", "in 2h". What is
// further away than 99 days is a date.
func When(t, now time.Time) string {
	const day = 24 * time.Hour
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	form := "%d%s ago"
	if d < -time.Second {
		d, form = -d, "in %d%s"
	}
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf(form, d/time.Second, "s")
	case d < time.Hour:
		return fmt.Sprintf(form, d/time.Minute, "m")
	case d < 2*day:
		return fmt.Sprintf(form, d/time.Hour, "h")
	case d < 100*day:
		return fmt.Sprintf(form, d/day, "d")
	}
	return t.Local().Format(time.DateOnly)
}

// Size is a number of bytes for people; "?" if it is not known.
func Size(n int64) string {
	if n < 0 {
		return "?"
	}
	return humanize.IBytes(uint64(n))
}

// Streams are the process's standard streams.
type Streams struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
	// Alone means that the process has no other purpose than this command: it
	// may be confined for the rest of its life.
	Alone bool
}
