package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOverheardCapa: only what answers a CAPA is one of its lines, in one
// flight with other commands, too.
func TestOverheardCapa(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string // "> " is sent
		want  [][]string
	}{
		{"a reply", []string{"+OK hello", "> CAPA", "+OK", "TOP", "UIDL", "(2 lines, 11 octets)"}, [][]string{{"TOP", "UIDL"}}},
		{"odd lines", []string{"> CAPA", "+OK", "+x", "-y", "(2 lines, 8 octets)"}, [][]string{{"+x", "-y"}}},
		{"nonsense after it", []string{"> CAPA", "+OK", "TOP", "(1 lines, 5 octets)", "> QUIT", "what is this"}, [][]string{{"TOP"}}},
		{"refused", []string{"> CAPA", "-ERR", "> USER alice", "yes?"}, [][]string{nil}},
		{"no reply", []string{"> CAPA", "hello"}, [][]string{nil}},
		{"one flight", []string{"> CAPA", "> STAT", "> UIDL", "+OK", "TOP", "(1 lines, 5 octets)", "+OK 2 320", "nonsense"}, [][]string{{"TOP"}}},
		{"twice", []string{"> CAPA", "+OK", "STLS", "(1 lines, 6 octets)", "nonsense", "> CAPA", "+OK", "TOP", "(1 lines, 5 octets)"}, [][]string{{"STLS"}, {"TOP"}}},
	} {
		var o overheard
		for _, line := range tt.lines {
			if len(line) > 2 && line[:2] == "> " {
				o.hear(true, line[2:])
			} else {
				o.hear(false, line)
			}
		}
		if diff := cmp.Diff(tt.want, o.capas); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
