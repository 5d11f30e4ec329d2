package fetch_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/recipient"
	"github.com/mailhaul/mailhaul/state"
)

// copyFor is a copy of message n, as a server makes it for the recipients.
func copyFor(n int, to string) []byte {
	return fmt.Appendf(nil, "Delivered-To: %s\r\nReceived: by mx for %[1]s\r\nMessage-ID: <%d@x>\r\nTo: a@x, b@x\r\nSubject: "+
		"%[2]d\r\n\r\nx\r\n", to, n)
}

func sharedRule() recipient.Rule {
	return recipient.Rule{Headers: []string{"Delivered-To"}, Domains: []string{"x"},
		Map: map[string][]string{"info": {"a"}, "sales": {"a", "b"}}}
}

// copiesRig is a shared mailbox that goes to an LMTP server, with the copies in it.
func copiesRig(t *testing.T, o pop3test.Options, copies ...[]byte) (*fetchtest.Rig, *smtptest.Relay) {
	r := smtptest.StartRelay(t, true)
	g := fetchtest.NewWithTargets(t, 0, o, func(*fetchtest.Rig) []commit.Target { return []commit.Target{fetchtest.TargetAt(r, "no@x")} })
	g.Account.Policy.Recipients = sharedRule()
	for i, c := range copies {
		g.Drop.Add(strconv.Itoa(i+1), c)
	}
	return g, r
}

// TestCopiesOfOneMessage: who is to get several copies of a message gets one of them, in
// one run and in several; who gets another message gets that.
func TestCopiesOfOneMessage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		copies [][]byte
		want   string
	}{
		{"one for each", [][]byte{copyFor(1, "a@x"), copyFor(1, "b@x"), copyFor(1, "c@x")}, "a@x 1, b@x 1, c@x 1"},
		{"all in each", [][]byte{copyFor(1, "a@x, b@x"), copyFor(1, "A@x, b@x, c@x"), copyFor(1, "c@X")}, "a@x 1, b@x 1, c@x 1"},
		{"by aliases", [][]byte{copyFor(1, "info@x"), copyFor(1, "sales@x"), copyFor(1, "a@x")}, "a@x 1, b@x 1"},
		{"two messages", [][]byte{copyFor(1, "a@x"), copyFor(2, "a@x")}, "a@x 1, a@x 2"},
		{"another text with the Message-ID", [][]byte{copyFor(1, "a@x"), append(copyFor(1, "a@x"), "more\r\n"...)}, "a@x 1, a@x 1"},
		{"through a mailing list too", [][]byte{copyFor(1, "a@x"), append([]byte("List-Id: <l>\r\n"), copyFor(1, "a@x")...)}, "a@x 1, a@x 1"},
		{"resent", [][]byte{copyFor(1, "a@x"), append([]byte("Resent-From: b@x\r\n"), copyFor(1, "a@x")...)}, "a@x 1, a@x 1"},
		{"without Message-ID", [][]byte{noID(copyFor(1, "a@x")), noID(copyFor(1, "a@x"))}, "a@x 1, a@x 1"},
	}
	for _, tt := range tests {
		for _, runs := range []int{1, len(tt.copies)} {
			g, r := copiesRig(t, pop3test.Options{})
			for i, c := range tt.copies {
				g.Drop.Add(strconv.Itoa(i+1), c)
				if runs > 1 || i == len(tt.copies)-1 {
					g.Account.Policy.Keep.None = i%2 == 0
					if s := g.Run(); s.Err != nil {
						t.Fatalf("%s: %v", tt.name, s.Err)
					}
				}
			}
			want := make(map[string]int)
			for _, w := range strings.Split(tt.want, ", ") {
				want[w]++
			}
			g.WantCopies(fmt.Sprintf("%s, %d runs", tt.name, runs), r.Copies(), want)
		}
	}
}

func noID(m []byte) []byte { return []byte(strings.Replace(string(m), "Message-ID", "X-ID", 1)) }

// TestCopiesOfARefusedMessage: whom one copy could not reach the next one does, and the
// first is done then, without another delivery.
func TestCopiesOfARefusedMessage(t *testing.T) {
	t.Parallel()
	g, r := copiesRig(t, pop3test.Options{}, copyFor(1, "a@x, b@x"), copyFor(1, "a@x, b@x"))
	g.Account.Policy.Keep.None = true
	busy := 1
	r.Answer(nil, func(to, _ string) error {
		if to == "b@x" && busy > 0 {
			busy--
			return smtptest.Reply(452, "busy")
		}
		return nil
	})
	g.WantExit(g.Run(), fetch.ExitData, "busy (1 of 2 recipients)")
	g.WantCopies("first run", r.Copies(), map[string]int{"a@x 1": 1, "b@x 1": 1})
	if s := g.Run(); s.Err != nil || g.Drop.Len() != 0 {
		t.Errorf("%v, %d on the server", s.Err, g.Drop.Len())
	}
	g.WantCopies("second run", r.Copies(), map[string]int{"a@x 1": 1, "b@x 1": 1})
}

// TestCopiesAreForgotten: what a person wants again comes again.
func TestCopiesAreForgotten(t *testing.T) {
	t.Parallel()
	g, r := copiesRig(t, pop3test.Options{}, copyFor(1, "a@x"), copyFor(1, "a@x"))
	g.Account.Policy.Keep.None = false
	run := func(want int) {
		t.Helper()
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		g.WantCopies("run", r.Copies(), map[string]int{"a@x 1": want})
	}
	run(1)
	forget := func(keys ...state.Key) {
		t.Helper()
		db, err := state.Open(state.Path(g.Fetcher.StateDir, g.Account.ID), state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Apply(&state.Change{Forget: keys}), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	forget("1", "2")
	run(2)
	forget("1") // it was delivered, and 2 was not
	run(3)
	g.Account.Policy.All = true
	run(5)
}

// TestCopiesWithoutUniqueIDs: copies differ in their recipient alone, and each is still a
// message of its own, where messages are known by their headers.
func TestCopiesWithoutUniqueIDs(t *testing.T) {
	t.Parallel()
	g, r := copiesRig(t, pop3test.Options{NoUIDL: true}, copyFor(1, "a@x"))
	g.Account.Policy.Keep.None = false
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	g.Drop.Insert(0, "b", copyFor(1, "b@x"))
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	g.WantCopies("lmtp", r.Copies(), map[string]int{"a@x 1": 1, "b@x 1": 1})
}

// TestCopiesUnderNewUniqueIDs: the server gives its messages new unique-ids when another
// copy comes, which is not taken for the one that was delivered.
func TestCopiesUnderNewUniqueIDs(t *testing.T) {
	t.Parallel()
	g, r := copiesRig(t, pop3test.Options{}, copyFor(1, "a@x"), copyFor(2, "a@x"))
	g.Account.Policy.Keep.None = false
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	g.Drop.Rename(func(uid string) string { return "new-" + uid })
	g.Drop.Insert(0, "b", copyFor(1, "b@x"))
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	g.WantCopies("lmtp", r.Copies(), map[string]int{"a@x 1": 1, "a@x 2": 1, "b@x 1": 1})
}

// TestCopiesToACommand: a command is not run for a copy that nobody lacks.
func TestCopiesToACommand(t *testing.T) {
	t.Parallel()
	g, _ := copiesRig(t, pop3test.Options{}, copyFor(1, "a@x"), copyFor(1, "a@x, c@x"), copyFor(1, "c@x"))
	g.Targets = func() []commit.Target {
		return []commit.Target{fetchtest.PipeTarget("cat >/dev/null; echo $RECIPIENT >>"+g.Path("out"), 0)}
	}
	if s := g.Run(); s.Err != nil || s.Fetched != 3 {
		t.Fatal(s.Err, s.Fetched)
	}
	if got := g.Read(g.Path("out")); got != "a@x\nc@x\n" {
		t.Errorf("the command got %q", got)
	}
}

// TestNobodysMessage: what a message without a recipient comes to.
func TestNobodysMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		unknown     recipient.Unknown
		exit        fetch.Exit
		quarantined int
		copies      map[string]int
	}{
		{recipient.Unknown{}, fetch.ExitData, 0, map[string]int{"a@x 1": 1}},
		{recipient.Unknown{Fallback: "p@x"}, fetch.ExitOK, 0, map[string]int{"a@x 1": 1, "p@x 2": 1}},
		{recipient.Unknown{Quarantine: true}, fetch.ExitData, 1, map[string]int{"a@x 1": 1}},
	} {
		g, r := copiesRig(t, pop3test.Options{}, copyFor(2, "a@elsewhere"), copyFor(1, "a@x"))
		g.Account.Policy.Recipients.Unknown = tt.unknown
		for range 2 {
			s := g.Run()
			if s.Err != nil && !errors.As(s.Err, new(*commit.RecipientError)) {
				t.Errorf("%+v: %v", tt.unknown, s.Err)
			}
			tt.quarantined -= s.Quarantined
		}
		if tt.quarantined != 0 {
			t.Errorf("%+v: %d fewer in the quarantine", tt.unknown, tt.quarantined)
		}
		g.WantCopies("lmtp", r.Copies(), tt.copies)
	}
}
