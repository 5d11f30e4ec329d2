package command

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// overheard is what the check takes from the lines of a session itself: the
// client keeps neither what CAPA said before STLS nor the octets of STAT.
type overheard struct {
	capas  [][]string // the lines of each CAPA, in the order of the questions
	reply  capaReply  // to the last of them
	stat   bool       // STAT was sent and not answered yet
	octets int64      // what STAT said, -1 if that made no sense
}

// capaReply is how far the reply to a CAPA has come.
type capaReply int

const (
	capaDone  capaReply = iota // or not asked
	capaAsked                  // its status line is the next one
	capaLines
)

// listen has o hear the dialogue of a session with s.
func (o *overheard) listen(s *pop3.Server) {
	o.octets = -1
	next := s.Trace
	s.Trace = func(sent bool, line string) {
		if o.hear(sent, line); next != nil {
			next(sent, line)
		}
	}
}

// hear takes a line of the dialogue. Of what a server sends, only status lines,
// notes on sizes in parentheses and the lines of CAPA are shown. A note ends the
// reply that it is on; any other line may be a status line that is none. In one
// flight with other commands, CAPA is the first.
func (o *overheard) hear(sent bool, line string) {
	switch {
	case sent && line == "CAPA":
		o.capas, o.reply = append(o.capas, nil), capaAsked
	case sent && line == "STAT":
		o.stat = true
	case sent || line == "":
	case line[0] == '(':
		o.reply = capaDone
	case o.reply == capaLines:
		last := &o.capas[len(o.capas)-1]
		*last = append(*last, line)
	case o.reply == capaAsked:
		if o.reply = capaDone; line[0] == '+' {
			o.reply = capaLines
		}
	case line[0] == '+':
		if n := statOctets(line); o.stat && n >= 0 {
			o.octets, o.stat = n, false
		}
	}
}

// statOctets is the second number of "+OK 2 320" (RFC 1939 section 5), else -1.
func statOctets(line string) int64 {
	f := strings.Fields(line)
	if len(f) < 3 || !strings.EqualFold(f[0], "+OK") {
		return -1
	}
	n, err := strconv.ParseUint(f[2], 10, 63)
	if _, bad := strconv.ParseUint(f[1], 10, 63); err != nil || bad != nil {
		return -1
	}
	return int64(n)
}

// capa is what the last CAPA said.
func (o *overheard) capa() string {
	if len(o.capas) == 0 || len(o.capas[len(o.capas)-1]) == 0 {
		return "it announces nothing"
	}
	return cut(strings.Join(o.capas[len(o.capas)-1], ", "), 400)
}

// afterLogin says what CAPA announces after the login and did not before, and
// the other way round (RFC 2449 section 5); false if it was not asked again.
func (o *overheard) afterLogin() (string, bool) {
	n := len(o.capas)
	if n < 2 || len(o.capas[n-1]) == 0 {
		return "", false
	}
	before, after := o.capas[n-2], o.capas[n-1]
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
	return cut("after the login, "+strings.Join(parts, "; "), 400), true
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

// cut shortens a text to at most n runes.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-3]) + "..."
}
