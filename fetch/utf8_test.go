package fetch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

const eightBitHeader = "Message-ID: <u@test>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nthe body\r\n"

// TestSurrogateIsNotFetched: a server that sends a text of its own in place of a
// message with 8-bit headers is asked for the message itself.
func TestSurrogateIsNotFetched(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{UTF8: pop3test.UTF8Surrogate})
	g.Account.Policy.Keep.None = true
	g.Drop.Add("", []byte(eightBitHeader))
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 1 || s.Sessions != 1 {
		t.Fatalf("%+v", s)
	}
	if got := g.Mail(); got != strings.ReplaceAll(eightBitHeader, "\r", "") {
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
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{UTF8: pop3test.UTF8Offered, NoPipelining: tc.noPipe,
				Faults: []pop3test.Fault{tc.fault}})
			now := time.Now()
			g.Fetcher.Now = func() time.Time { return now }
			g.Add(1)
			if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Server.Connections() != tc.sessions || len(s.Notes) != 1 {
				t.Fatalf("%d connections, %+v", g.Server.Connections(), s)
			}
			asked := g.Server.Count("UTF8")
			again := func() (sent bool) {
				if s := g.Run(); s.Err != nil {
					t.Fatal(s.Err)
				}
				sent = g.Server.Count("UTF8") > asked
				asked = g.Server.Count("UTF8")
				return sent
			}
			if again() == tc.kept {
				t.Errorf("the next run: UTF8 sent %v", !tc.kept)
			}
			g.View(func(v *state.View) {
				if f := v.Facts(); f.NoUTF8 != tc.kept {
					t.Errorf("%+v", f)
				}
			})
			now = now.Add(fetch.RecheckAfter + time.Hour)
			if !again() {
				t.Error("not asked again after a month")
			}
		})
	}
}
