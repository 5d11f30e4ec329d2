package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestPurgeSaysOnlyWhatIsProven: one session lists, one or two delete, the last
// proves. If one of these is cut, or a person stops it, what was deleted is
// said, and not that it was looked for.
func TestPurgeSaysOnlyWhatIsProven(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("more than 500 messages")
	}
	const cut, stop = 0, 1
	for _, tt := range []struct {
		name               string
		messages, how      int
		session            int32 // of purge, which is hit
		deleted, remaining int
		code               int
		says               string
	}{
		{"the proof is cut", 3, cut, 3, 3, 1, 69, "3 deleted and confirmed, but the list that would prove it could not be read"},
		{"the second deletion is cut", 501, cut, 3, 500, 2, 69, "500 deleted and confirmed so far"},
		{"stopped at the proof", 3, stop, 3, 3, 1, 130, "stopped; purge deleted 3 verified messages"},
		{"stopped at the second deletion", 501, stop, 3, 500, 2, 130, "stopped; purge deleted 500 verified messages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			l, drop := newLab(t), dropOf(letters(tt.messages))
			var sessions atomic.Int32
			o := pop3test.Options{Security: pop3test.Plain}
			o.UIDLLine = func(num int, uid string) string {
				if num == 1 && sessions.Add(1) == 1+tt.session && tt.how == stop { // one was fetch's
					cancel(exit.Signal{Signal: os.Interrupt})
				}
				return fmt.Sprint(num, " ", uid)
			}
			if tt.how == cut {
				o.Faults = []pop3test.Fault{{On: "UIDL", Nth: 1 + int(tt.session), Do: pop3test.Cut(), Always: true}}
			}
			s := serve(t, drop, o)
			l.account(append(l.to(s, o), "password: "+password)...)
			l.want(l.run("fetch"), 0)
			drop.Add("later", letters(1)[0]) // one that stays, and is listed
			var out, log bytes.Buffer
			code := Main(ctx, l.args([]string{"purge", "lab"}), term.Streams{Out: &out, Err: &log})
			if code != tt.code || !strings.Contains(log.String(), tt.says) {
				t.Errorf("exit %d, want %d and %q: %s", code, tt.code, tt.says, &log)
			}
			if !strings.Contains(out.String(), "deleted and confirmed; not listed again") ||
				strings.Contains(out.String(), "left on the server") {
				t.Errorf("claims what it does not know: %s", &out)
			}
			if drop.Len() != tt.remaining {
				t.Errorf("%d left on the server, want %d", drop.Len(), tt.remaining)
			}
		})
	}
}

// TestPurgeJSON: the same for programs, which get one object however it ends.
func TestPurgeJSON(t *testing.T) {
	t.Parallel()
	cut := func(on string, nth int) []pop3test.Fault {
		return []pop3test.Fault{{On: on, Nth: nth, Do: pop3test.Cut(), Always: true}}
	}
	for _, tt := range []struct {
		name   string
		faults []pop3test.Fault
		want   jsonline.Purge
		says   string // in the error
	}{
		{"proven", nil, jsonline.Purge{Listed: 3, Eligible: 3, Verified: 3, Deleted: 3, Proven: true}, ""},
		{"not proven", cut("UIDL", 4), jsonline.Purge{Listed: 3, Eligible: 3, Verified: 3, Deleted: 3,
			Mail: "purge deleted 3 verified messages from the server, nothing else"}, "the list that would prove it could not be read"},
		{"not confirmed", cut("QUIT", 3), jsonline.Purge{Listed: 3, Eligible: 3, Verified: 3, Remaining: 3, Unconfirmed: 3,
			Mail: "purge may have deleted 3 verified messages from the server, nothing else; run it again for the rest"},
			"before the server confirmed"},
		{"not begun", cut("UIDL", 2), jsonline.Purge{Mail: "purge deleted nothing from the server"}, "closed the connection"},
	} {
		l := newLab(t)
		o := pop3test.Options{Security: pop3test.Plain, Faults: tt.faults}
		s := serve(t, dropOf(letters(3)), o)
		l.account(append(l.to(s, o), "password: "+password)...)
		l.want(l.run("fetch"), 0)
		var got jsonline.Purge
		out := l.run("--json", "purge", "lab")
		if err := json.Unmarshal([]byte(out.out), &got); err != nil {
			t.Fatal(tt.name, err, out)
		}
		if (got.Error == "") != (tt.says == "") || !strings.Contains(got.Error, tt.says) {
			t.Errorf("%s: error %q, want %q", tt.name, got.Error, tt.says)
		}
		tt.want.Account, tt.want.Error = "lab", got.Error
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	l, _ := targetsLab(t, 1)
	wantOut(t, l.run("purge", "lab", "--older-than", "1d"), "0 deleted, as there is nothing to delete")
}
