package doctor

import (
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// announced are the lines of a session's replies to CAPA, in the order of the
// commands.
type announced [][]string

// last is the reply to the last CAPA.
func (a announced) last() string {
	if len(a) == 0 || len(a[len(a)-1]) == 0 {
		return "it announces nothing"
	}
	return term.Cut(strings.Join(a[len(a)-1], ", "), 400)
}

// afterLogin compares what CAPA announces after the login with what it announced
// before (RFC 2449 section 5); false if CAPA was not sent again.
func (a announced) afterLogin() (string, bool) {
	n := len(a)
	if n < 2 || len(a[n-1]) == 0 {
		return "", false
	}
	before, after := a[n-2], a[n-1]
	var parts []string
	for _, d := range []struct {
		what       string
		have, lack []string
	}{{"new", after, before}, {"gone", before, after}} {
		if only := without(d.have, d.lack); len(only) > 0 {
			parts = append(parts, d.what+": "+strings.Join(only, ", "))
		}
	}
	if len(parts) == 0 {
		return "after the login: the same", true
	}
	return term.Cut("after the login, "+strings.Join(parts, "; "), 400), true
}

// without are the words of one list that another lacks.
func without(list, other []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			out = append(out, s)
		}
	}
	return out
}
