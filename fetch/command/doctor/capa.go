package doctor

import (
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// announced is what a session's replies to CAPA said, in the order of the
// questions.
type announced [][]string

// listen collects what s announces.
func (a *announced) listen(s *pop3.Server) {
	s.Announced = func(lines []string) { *a = append(*a, lines) }
}

// last is what the last CAPA said.
func (a announced) last() string {
	if len(a) == 0 || len(a[len(a)-1]) == 0 {
		return "it announces nothing"
	}
	return term.Cut(strings.Join(a[len(a)-1], ", "), 400)
}

// afterLogin says what CAPA announces after the login and did not before, and
// the other way round (RFC 2449 section 5); false if it was not asked again.
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
