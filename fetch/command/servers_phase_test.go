package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// phases are the places of a session where a server may break.
var phases = []string{"connect", "tls", "greeting", "CAPA", "AUTH", "STAT", "UIDL", "LIST", "RETR 1", "RETR 3", "DELE 1", "QUIT"}

// breaks are the ways.
var breaks = []struct {
	name string
	do   pop3test.Action
}{
	{"cut", pop3test.Cut()},
	{"reset", pop3test.Reset()},
	{"stall", pop3test.Stall()},
	{"drip", pop3test.Drip(time.Second)},
	{"endless line", pop3test.EndlessLine()},
}

// TestBreakInEachPhase breaks the session everywhere in every way, with and
// without TLS and pipelining, and deletes. The run must end with a code that says
// so (in time: TestSilentServerIsLeftInTime), and at a well-behaved server nothing
// may be lost or there twice.
func TestBreakInEachPhase(t *testing.T) {
	t.Parallel()
	var cases []subtest
	for _, phase := range phases {
		for _, b := range breaks {
			for _, plain := range []bool{false, true} {
				if phase == "tls" && plain || strings.Contains("connect tls", phase) && b.name == "drip" {
					continue // nothing is sent there
				}
				if b.name == "endless line" && (!plain || strings.HasPrefix(phase, "RETR")) {
					continue // see endlessRows
				}
				cases = append(cases, subtest{fmt.Sprintf("%s/%s/plain=%v", phase, b.name, plain),
					func(t *testing.T) { breakOnce(t, phase, b.do, plain) }})
			}
		}
	}
	together(t, cases)
}

func breakOnce(t *testing.T, phase string, do pop3test.Action, plain bool) {
	l := newLab(t)
	drop := dropOf(letters(5))
	o := always(phase, do)
	if verb, num, ok := strings.Cut(phase, " "); ok && verb == "RETR" { // the message, whatever its number
		o.Faults[0].On, o.Faults[0].UID = verb, "uid-"+num
	}
	if plain {
		o.Security, o.NoPipelining = pop3test.Plain, true
	}
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), secret, fair, deleting)...)
	out := l.run("fetch")
	switch {
	case out.code == 0 && phase == "CAPA": // done without
	case strings.HasPrefix(phase, "RETR"):
		if out.code != 65 || drop.Len() != 1 || !strings.Contains(out.err, o.Faults[0].UID) {
			t.Errorf("the others stay, or it is not named: %d left, %s", drop.Len(), out)
		}
	case out.code != 69 && out.code != 76:
		t.Errorf("%s", out)
	}
	wantClean(t, out)
	if f := l.facts(); f.NoPipelining && out.code != 0 || f.NoCapa && phase != "CAPA" {
		t.Errorf("a broken connection taught %+v", f)
	}
	s.Close()
	good := pop3test.Options{Security: pop3test.Plain}
	l.account(append(l.to(serve(t, drop, good), good), secret, deleting)...)
	if out := l.run("fetch"); out.code != 0 {
		t.Errorf("a well-behaved server: %s", out)
	}
	l.wantMail(letters(5))
	if drop.Len() != 0 {
		t.Errorf("%d messages left on the server", drop.Len())
	}
}

// TestBrokenOnceAtCapa breaks the connection once where an account with a token
// needs CAPA: the run fails for now, and the next one is as good as ever.
func TestBrokenOnceAtCapa(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	drop := dropOf(letters(5))
	o := faults(pop3test.Fault{On: "CAPA", Do: pop3test.Cut()})
	o.Mechanisms, o.NoUSER = []string{"XOAUTH2"}, true
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), "token: "+password)...)
	l.want(l.run("fetch"), 69, "capa: server closed the connection")
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
}
