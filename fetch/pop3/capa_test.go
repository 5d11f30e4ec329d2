package pop3

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAnnounced: each reply to CAPA is handed on as it came, in one round trip with
// other commands, too; a refusal has no lines.
func TestAnnounced(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         [][]string
	}{
		{"twice", capaPipe + "C: CAPA\nC: STAT\nC: UIDL\nC: LIST\nS: +OK\nS: +x\nS: TOP\nS: .\nS: +OK 0 0\nS: +OK\nS: .\n" +
			"S: +OK\nS: .", [][]string{{"PIPELINING", "USER", "UIDL"}, {"+x", "TOP"}}},
		{"refused", capaPipe + "C: CAPA\nC: STAT\nC: UIDL\nC: LIST\nS: -ERR\nS: +OK 0 0\nS: +OK\nS: .\nS: +OK\nS: .",
			[][]string{{"PIPELINING", "USER", "UIDL"}, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got [][]string
			s := Server{Announced: func(lines []string) { got = append(got, lines) }}
			wantErr(t, talk(t, s, tt.script, func(ctx context.Context, c *Client) error {
				_, err := c.List(ctx)
				return err
			}), "")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
