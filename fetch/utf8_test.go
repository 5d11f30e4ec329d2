package fetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

const eightBitHeader = "Message-ID: <u@test>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nthe body\r\n"

// mail is what was delivered, in one string.
func (g *rig) mail() string {
	g.t.Helper()
	names, _ := filepath.Glob(filepath.Join(g.dir, "Maildir", "new", "*"))
	var b strings.Builder
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			g.t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}

// TestSurrogateIsNotFetched: a server that sends a text of its own in place of a
// message with 8-bit headers is asked for the message itself.
func TestSurrogateIsNotFetched(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{UTF8: pop3test.UTF8Surrogate})
	g.account.Policy.Keep.None = true
	g.drop.Add("", []byte(eightBitHeader))
	if s := g.run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 1 || s.Sessions != 1 {
		t.Fatalf("%+v", s)
	}
	if got := g.mail(); got != strings.ReplaceAll(eightBitHeader, "\r", "") {
		t.Errorf("delivered %q", got)
	}
}

// TestUTF8Quirk: a server that breaks at UTF8 gets sessions without, and is asked
// again after a month.
func TestUTF8Quirk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault    pop3test.Fault
		noPipe   bool
		sessions int // of the first run
		kept     bool
	}{
		"refuses":                      {pop3test.Fault{On: "UTF8", Always: true, Do: pop3test.Err("no")}, false, 1, true},
		"hangs up":                     {pop3test.Fault{On: "UTF8", Always: true, Do: pop3test.Cut()}, false, 2, true},
		"hangs up, one at a time":      {pop3test.Fault{On: "UTF8", Always: true, Do: pop3test.Cut()}, true, 2, true},
		"talks nonsense":               {pop3test.Fault{On: "UTF8", Always: true, Do: pop3test.Raw("what\r\n")}, false, 2, true},
		"hangs up on what comes along": {pop3test.Fault{On: "USER", Nth: 1, Do: pop3test.Cut()}, false, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{UTF8: pop3test.UTF8Offered, NoPipelining: tc.noPipe, Faults: []pop3test.Fault{tc.fault}})
			now := time.Now()
			g.fetcher.Now = func() time.Time { return now }
			g.add(1)
			if s := g.run(); s.Err != nil || s.Fetched != 1 || g.server.Connections() != tc.sessions || len(s.Notes) != 1 {
				t.Fatalf("%d connections, %+v", g.server.Connections(), s)
			}
			asked := g.server.Count("UTF8")
			again := func() (sent bool) {
				if s := g.run(); s.Err != nil {
					t.Fatal(s.Err)
				}
				sent = g.server.Count("UTF8") > asked
				asked = g.server.Count("UTF8")
				return sent
			}
			if again() == tc.kept {
				t.Errorf("the next run: UTF8 sent %v", !tc.kept)
			}
			g.view(func(v *state.View) {
				if f := v.Facts(); f.NoUTF8 != tc.kept {
					t.Errorf("%+v", f)
				}
			})
			now = now.Add(recheckAfter + time.Hour)
			if !again() {
				t.Error("not asked again after a month")
			}
		})
	}
}
