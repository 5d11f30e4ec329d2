package smtp

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestProbe: MAIL, RCPT and RSET, and what each refusal means.
func TestProbe(t *testing.T) {
	t.Parallel()
	const offer = "C: MAIL FROM:<>\nC: RCPT TO:<a@b>\n"
	for _, c := range []struct {
		name, script, want string
		class              deliver.Class
	}{
		{"taken", hello + offer + "C: RSET\nS: 250 ok\\n250 ok\\n250 ok\n" + quit, "", 0},
		{"not pipelined", plain + "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@b>\nS: 250 ok\nC: RSET\nS: 250 ok\n" + quit, "", 0},
		{"unknown", hello + offer + "C: RSET\nS: 250 ok\\n550 5.1.1 unknown\\n250 ok\n" + quit, "RCPT <a@b>: 550 5.1.1 unknown",
			deliver.CannotCreate},
		{"greylisted", hello + offer + "C: RSET\nS: 250 ok\\n450 later\\n250 ok\n" + quit, "RCPT <a@b>: 450 later", deliver.Later},
		{"sender", plain + "C: MAIL FROM:<>\nS: 550 no null sender\n" + quit, "MAIL: 550 no null sender", deliver.Later},
		{"busy", plain + "C: MAIL FROM:<>\nS: 451 busy\n" + quit, "MAIL: 451 busy", deliver.Unavailable},
		{"lost", plain + "C: MAIL FROM:<>\n", "MAIL: connection closed by the relay", deliver.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(Options{Network: "tcp", Address: startScript(t, c.script), To: []string{"a@b"}, Helo: "me", Security: NoTLS})
			err := d.Probe(t.Context())
			if cerr := d.Close(); cerr != nil {
				t.Error(cerr)
			}
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*deliver.Error](err)
			if !ok || e.Class != c.class || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%v, %+v; want %q, class %d", err, e, c.want, c.class)
			}
		})
	}
}
