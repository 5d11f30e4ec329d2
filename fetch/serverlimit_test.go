package fetch_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// TestServerLimit: a limit of the server ends the retrieval with one error, after
// a few refusals, and is charged to no message. What came is deleted where the
// session still can, and the next run after the limit fetches the rest.
func TestServerLimit(t *testing.T) {
	t.Parallel()
	closed := pop3test.Fault{On: "RETR", Always: true, After: -1, Do: pop3test.Cut()}
	for _, tt := range []struct {
		name, text string
		closes     bool
		most       int // refused RETR, one at a time
	}{
		{"163", "Download exceed. msg=4", false, 3},
		{"Gmail", "[SYS/TEMP] Account exceeded command or bandwidth limits", false, 3},
		{"for now", "temporary problem, please try again later", false, 3},
		{"a code alone", "[SYS/TEMP] sorry", false, 3},
		{"login delay", "[LOGIN-DELAY] wait", false, 1},
		{"in use", "[IN-USE] sorry", false, 1},
		{"and closes", "Daily download limit reached", true, 1},
	} {
		for _, pipelined := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pipelined=%t", tt.name, pipelined), func(t *testing.T) {
				t.Parallel()
				const n, before = 20, 3
				f := pop3test.Fault{On: "RETR", Nth: before + 1, Always: true, Do: pop3test.Err(tt.text)}
				faults := []pop3test.Fault{f}
				if tt.closes {
					closed.Nth = before + 1
					faults = append(faults, closed)
				}
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoPipelining: !pipelined, Faults: faults})
				g.Account.Policy.Keep.None = true
				g.Add(n)
				left := n - before
				if tt.closes {
					left = n
				}
				for run := range 2 {
					asked := g.Server.Count("RETR")
					s := g.Run()
					var limit *session.LimitError
					if !errors.As(s.Err, &limit) || fetch.ExitOf(s.Err) != fetch.ExitTemp || s.Failed != 0 || s.Sessions != 1 ||
						len(s.Notes) != 0 {
						t.Fatalf("run %d: exit %d: %v; %+v", run, fetch.ExitOf(s.Err), s.Err, s)
					}
					if run == 0 {
						asked += before
					}
					if got := g.Server.Count("RETR") - asked; !pipelined && got > tt.most {
						t.Errorf("run %d: %d RETR refused", run, got)
					}
					if g.Delivered() != before || g.Failures() != 0 || g.Drop.Len() != left {
						t.Fatalf("run %d: %d delivered, %d failures, %d left", run, g.Delivered(), g.Failures(), g.Drop.Len())
					}
				}
				good := pop3test.NewServer(g.Drop, pop3test.Options{Security: pop3test.Plain})
				defer good.Close()
				g.Account.Server.Port = good.Port
				if s := g.Run(); s.Err != nil || g.Delivered() != n || g.Drop.Len() != 0 {
					t.Errorf("the limit lifted: %v, %d delivered, %d left", s.Err, g.Delivered(), g.Drop.Len())
				}
			})
		}
	}
}

// TestWordsOfALimitForOneMessage: messages that are refused in the words of a
// limit do not hold up the others, wherever they are.
func TestWordsOfALimitForOneMessage(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"[SYS/TEMP] Internal error occurred", "quota exceeded", "please try again later",
		"message size exceeds limit"} {
		for _, bad := range [][]int{{3}, {1, 2}, {3, 4, 5, 6}, {2, 3, 6, 7}} {
			for _, pipelined := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/pipelined=%t", text, bad, pipelined), func(t *testing.T) {
					t.Parallel()
					var faults []pop3test.Fault
					for _, i := range bad {
						faults = append(faults, pop3test.Fault{On: "RETR", UID: fmt.Sprint("u", i), Always: true, Do: pop3test.Err(text)})
					}
					const n = 9
					g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoPipelining: !pipelined, Faults: faults})
					g.Account.Policy.Keep.None = true
					for i := range n {
						g.Drop.Add(fmt.Sprint("u", i+1), fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\nbody\r\n", i+1))
					}
					s := g.Run()
					if fetch.ExitOf(s.Err) != fetch.ExitData || s.Failed != len(bad) || g.Delivered() != n-len(bad) ||
						g.Drop.Len() != len(bad) || g.Failures() != len(bad) {
						t.Errorf("exit %d: %v; %d delivered, %d left, %d failures", fetch.ExitOf(s.Err), s.Err, g.Delivered(),
							g.Drop.Len(), g.Failures())
					}
				})
			}
		}
	}
}

// TestLimitWhileComparing: a limit that is met while seen messages are compared
// ends that, keeps what is not compared, and deletes the rest.
func TestLimitWhileComparing(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	for i := range 9 {
		g.Drop.Add(fmt.Sprint("x-", i), fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\nbody\r\n", i+1))
	}
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	limited := pop3test.NewServer(g.Drop, pop3test.Options{Security: pop3test.Plain, NoPipelining: true,
		Faults: []pop3test.Fault{{On: "RETR", Nth: 2, Always: true, Do: pop3test.Err("daily limit reached")}}})
	defer limited.Close()
	g.Account.Server.Port = limited.Port
	g.Account.Policy.Keep.None = true
	g.Drop.Add("new", []byte("Message-ID: <new@test>\r\n\r\nbody\r\n"))
	s := g.Run()
	if !errors.As(s.Err, new(*session.LimitError)) || s.Deleted != 1 || g.Drop.Len() != 9 || limited.Count("RETR") > 4 {
		t.Errorf("%v; %d deleted, %d left, %d RETR", s.Err, s.Deleted, g.Drop.Len(), limited.Count("RETR"))
	}
	g.View(func(v *state.View) {
		if len(v.Failures()) != 0 {
			t.Errorf("failures: %v", v.Failures())
		}
	})
}
