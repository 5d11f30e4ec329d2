package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// TestServerDeletesAfterQuit: what is about to go is looked at again after a
// pause, and neither compared nor counted twice.
func TestServerDeletesAfterQuit(t *testing.T) {
	t.Parallel()
	noTop := pop3test.Fault{On: "TOP", Always: true, Do: pop3test.Cut()} // no ghost is asked for its header
	breaks := pop3test.Fault{On: "UIDL", Nth: 2, Do: pop3test.Raw("what?\r\n")}
	for _, tt := range []struct {
		name             string
		messages, window int
		late             time.Duration
		faults           []pop3test.Fault
		took             time.Duration
		notes            int
	}{
		{"at once", 100, 0, 0, []pop3test.Fault{noTop}, 0, 0},
		{"a moment later", 100, 0, 2 * time.Second, []pop3test.Fault{noTop}, 3 * time.Second, 0},
		{"in a window", 300, 120, 2 * time.Second, []pop3test.Fault{noTop}, 6 * time.Second, 0},
		{"and breaks meanwhile", 100, 0, time.Second / 2, []pop3test.Fault{noTop, breaks}, time.Second, 0},
		{"an hour later", 100, 0, time.Hour, []pop3test.Fault{noTop}, 3 * time.Second, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{Newest: tt.window}, pop3test.Options{})
			g.Account.Policy.Keep.None = true
			g.Add(tt.messages)
			g.Piped(pop3test.Options{DeleteLate: tt.late, Faults: tt.faults}, func(*pop3test.Server) {
				began := time.Now()
				s := g.Run()
				if s.Err != nil || s.Fetched != tt.messages || s.Deleted != tt.messages || len(s.Notes) != tt.notes {
					t.Errorf("%d fetched, %d deleted, notes %q, err %v", s.Fetched, s.Deleted, s.Notes, s.Err)
				}
				if took := time.Since(began); took < tt.took || took > tt.took+time.Second {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				time.Sleep(3 * time.Second) // the last ones go
				if left := g.Drop.Len(); (left != 0) != (tt.late == time.Hour) {
					t.Errorf("%d left", left)
				}
			})
		})
	}
}

// TestLookThatNothingAskedFor costs a run neither its outcome nor a LOGIN-DELAY.
func TestLookThatNothingAskedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		o        pop3test.Options
		wait     time.Duration
		sessions int
		took     time.Duration
		note     string
	}{
		{"refused", pop3test.Options{Faults: []pop3test.Fault{{On: "PASS", Nth: 2, Always: true,
			Do: pop3test.Err("[IN-USE] locked")}}}, 0, 1, 3 * time.Second, "could not be seen, the next run looks"},
		{"refused for good", pop3test.Options{Faults: []pop3test.Fault{{On: "PASS", Nth: 2, Always: true,
			Do: pop3test.Err("[AUTH] no")}}}, 0, 1, 0, "could not be seen, the next run looks"},
		{"too early", pop3test.Options{Faults: []pop3test.Fault{{On: "PASS", Nth: 2, Always: true,
			Do: pop3test.Err("[LOGIN-DELAY] wait")}}}, 0, 1, 3 * time.Second, "could not be seen, the next run looks"},
		{"released after a moment", pop3test.Options{Faults: []pop3test.Fault{{On: "PASS", Nth: 2,
			Do: pop3test.Err("[IN-USE] locked")}}}, 0, 2, time.Second, ""},
		{"cut", pop3test.Options{Faults: []pop3test.Fault{{On: "connect", Nth: 2, Always: true, Do: pop3test.Cut()}}}, 0, 1,
			3 * time.Second, "could not be seen, the next run looks"},
		{"one login a minute", pop3test.Options{LoginDelay: time.Minute}, 0, 1, 0, ""},
		{"one login a minute, and a person waits", pop3test.Options{LoginDelay: time.Minute}, 2 * time.Minute, 2, time.Minute, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Account.Policy.Keep.None, g.Account.Wait = true, tt.wait
			g.Add(session.WindowSuspect)
			g.Piped(tt.o, func(*pop3test.Server) {
				began := time.Now()
				s := g.Run()
				if s.Err != nil || s.Deleted != session.WindowSuspect || s.Sessions != tt.sessions ||
					!strings.Contains(fmt.Sprint(s.Notes), tt.note) {
					t.Errorf("%d deleted, %d sessions, notes %q, err %v", s.Deleted, s.Sessions, s.Notes, s.Err)
				}
				if took := time.Since(began); took < tt.took || took > tt.took+time.Second {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// TestSecondLookAtGmail: where one more look is usual, a server that is slow to
// let go of the maildrop is waited for, and given up without an error if there
// cannot be more.
func TestSecondLookAtGmail(t *testing.T) {
	t.Parallel()
	inUse := pop3test.Fault{On: "PASS", Nth: 2, Do: pop3test.Err("[IN-USE] locked")}
	always := inUse
	always.Always = true
	for _, tt := range []struct {
		name     string
		messages int
		fault    pop3test.Fault
		exit     fetch.Exit
		sessions int
		notes    int
	}{
		{"few, released", 3, inUse, fetch.ExitOK, 2, 0},
		{"few, held", 3, always, fetch.ExitOK, 1, 1},
		{"many, held", 150, always, fetch.ExitTemp, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Add(tt.messages)
			g.Piped(pop3test.Options{Capa: []string{"USER", "TOP", "UIDL", "RESP-CODES", "X-GOOGLE-RICO"},
				Faults: []pop3test.Fault{tt.fault}}, func(*pop3test.Server) {
				s := g.Run()
				if fetch.ExitOf(s.Err) != tt.exit || s.Fetched != tt.messages || s.Sessions != tt.sessions ||
					noted(s.Notes, "whether the server lists more now") != tt.notes {
					t.Errorf("%d fetched, %d sessions, %q, %v", s.Fetched, s.Sessions, s.Notes, s.Err)
				}
			})
		})
	}
}

// TestPurgeLooksAgain: what the last listing shows is what counts.
func TestPurgeLooksAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		o     pop3test.Options
		left  int
		exit  fetch.Exit
		says  string
		took  time.Duration
		proof bool
	}{
		{"at once", pop3test.Options{}, 0, fetch.ExitOK, "", 0, true},
		{"a moment later", pop3test.Options{DeleteLate: 6 * time.Second}, 0, fetch.ExitOK, "", 7 * time.Second, true},
		{"and breaks meanwhile", pop3test.Options{DeleteLate: time.Second / 2,
			Faults: []pop3test.Fault{{On: "UIDL", Nth: 3, Do: pop3test.Cut()}}}, 0, fetch.ExitOK, "", time.Second, true},
		{"an hour later", pop3test.Options{DeleteLate: time.Hour}, 5, fetch.ExitProtocol,
			"confirmed 5 deletions and still lists 5 of these messages", 15 * time.Second, true},
		{"but one", pop3test.Options{Faults: []pop3test.Fault{{On: "DELE 2", Do: pop3test.Raw("+OK\r\n")}}}, 1, fetch.ExitTemp,
			"confirmed 5 deletions: 4 are gone, 1 is still listed", 15 * time.Second, true},
		{"and is broken from then on", pop3test.Options{Faults: []pop3test.Fault{{On: "UIDL", Nth: 3, Always: true,
			Do: pop3test.Cut()}}}, 0, fetch.ExitUnavailable, "5 deleted and confirmed, but the list", 15 * time.Second, false},
		{"one login a minute", pop3test.Options{LoginDelay: time.Minute}, 0, fetch.ExitOK, "", 2 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := fetchtest.NewFetched(t, 5)
			g.Piped(tt.o, func(*pop3test.Server) {
				began := time.Now()
				rep, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
				if fetch.ExitOf(err) != tt.exit || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("exit %d: %v", fetch.ExitOf(err), err)
				}
				if rep.Deleted != 5 || rep.Left != tt.left || rep.Proven != tt.proof {
					t.Errorf("%+v", rep)
				}
				if took := time.Since(began); took < tt.took || took > tt.took+time.Second {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// TestPurgeAsksForLong: what a person was asked for longer than a minute is verified
// again, and nothing is deleted if a copy has gone meanwhile.
func TestPurgeAsksForLong(t *testing.T) {
	for _, tt := range []struct {
		waits   time.Duration
		loses   bool
		deleted int
	}{{time.Second, false, 5}, {time.Hour, false, 5}, {time.Hour, true, 0}, {-time.Hour, true, 0}} {
		g := fetchtest.NewFetched(t, 5)
		var late time.Duration
		g.Fetcher.Now = func() time.Time { return time.Now().Add(late) }
		g.Prover.Confirm = func(context.Context, *proof.PurgeReport) error {
			if late = tt.waits; tt.loses {
				return os.Remove(g.Files()[0])
			}
			return nil
		}
		found := 0
		rep, err := g.Prover.Purge(t.Context(), g.Account, 0, false, func(c proof.Check) {
			if c.Finding == proof.Missing {
				found++
			}
		})
		if rep.Deleted != tt.deleted || g.Drop.Len() != 5-tt.deleted || tt.loses != (found == 1) ||
			tt.loses != (fetch.ExitOf(err) == fetch.ExitData) {
			t.Errorf("%+v: %+v, %d missing: %v", tt, rep, found, err)
		}
	}
}

// TestSlowQuitCompletes at a server that rolls back if one does not wait, and
// what takes too long is reported with the name of the limit.
func TestSlowQuitCompletes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		slow  time.Duration
		exit  fetch.Exit
		left  int
		late  bool
		twice bool
	}{
		{3 * time.Minute, fetch.ExitOK, 0, false, false},
		{time.Hour, fetch.ExitUnavailable, 30, true, true},
	} {
		t.Run(tt.slow.String(), func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Account.Policy.Keep.None = true
			g.Add(30)
			g.Piped(pop3test.Options{DeleteSlowly: tt.slow}, func(*pop3test.Server) {
				s := g.Run()
				if fetch.ExitOf(s.Err) != tt.exit || g.Drop.Len() != tt.left || s.Unconfirmed != tt.left || late(s.Err) != tt.late {
					t.Errorf("exit %d, %d left, %d unconfirmed: %v", fetch.ExitOf(s.Err), g.Drop.Len(), s.Unconfirmed, s.Err)
				}
			})
		})
	}
}

// late reports whether a limit of time ended the session.
func late(err error) bool {
	conn, ok := errors.AsType[*pop3.ConnError](err)
	return ok && conn.Timeout()
}

// TestEveryLoginKeepsTheDelay: what is known of the server's LOGIN-DELAY holds
// for whatever logs in.
func TestEveryLoginKeepsTheDelay(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error{
		"fetch": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			return f.Run(ctx, []*fetch.Account{a})[0].Err
		},
		"plan": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			_, _, err := f.Plan(ctx, a)
			return err
		},
		"verify": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			_, err := (&proof.Prover{Fetcher: f}).VerifyServer(ctx, a, func(string, bool) {})
			return err
		},
		"purge": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			_, err := (&proof.Prover{Fetcher: f}).Purge(ctx, a, 0, true, func(proof.Check) {})
			return err
		},
		"report": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			_, err := (&proof.Prover{Fetcher: f}).Report(ctx, a, true)
			return err
		},
		"mark-seen": func(ctx context.Context, f *fetch.Fetcher, a *fetch.Account) error {
			_, _, err := f.MarkSeen(ctx, a, fetch.MarkRule{All: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Add(3)
			g.Piped(pop3test.Options{LoginDelay: time.Minute}, func(server *pop3test.Server) {
				if s := g.Run(); s.Err != nil {
					t.Fatal(s.Err)
				}
				time.Sleep(20 * time.Second)
				before := server.Connections()
				err := login(context.Background(), g.Fetcher, g.Account)
				var early *session.LoginDelayError
				if !errors.As(err, &early) || early.Wait != 40*time.Second || fetch.ExitOf(err) != fetch.ExitTemp ||
					server.Connections() != before {
					t.Fatalf("%d connections, %v", server.Connections()-before, err)
				}
				if !strings.Contains(err.Error(), "one login every 1m; the next is due in 40s") || early.Delay != time.Minute {
					t.Error(err)
				}
				g.Account.Wait = time.Minute
				began := time.Now()
				if err := login(context.Background(), g.Fetcher, g.Account); err != nil ||
					time.Since(began).Round(time.Second) != 40*time.Second {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
				g.Account.Wait = 0
			})
		})
	}
}

// TestRefusedAsTooEarly: a login that the state does not know of went before.
func TestRefusedAsTooEarly(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	g.Piped(pop3test.Options{LoginDelay: time.Minute}, func(server *pop3test.Server) {
		if _, _, err := g.Fetcher.Plan(context.Background(), g.Account); err != nil { // keeps no record
			t.Fatal(err)
		}
		s := g.Run()
		var early *session.LoginDelayError
		if !errors.As(s.Err, &early) || early.Refused == nil || early.Delay != time.Minute || fetch.ExitOf(s.Err) != fetch.ExitTemp ||
			s.NextLogin.IsZero() {
			t.Fatalf("%v, next %s", s.Err, s.NextLogin)
		}
		before := server.Connections()
		if s := g.Run(); !errors.As(s.Err, &early) || server.Connections() != before {
			t.Errorf("asked again: %v", s.Err)
		}
		g.View(func(v *state.View) {
			if f := v.Facts(); !f.LastLogin.IsZero() || f.NextLogin.IsZero() {
				t.Errorf("%+v", f)
			}
		})
		g.Account.Wait = 2 * time.Minute
		if s := g.Run(); s.Err != nil || s.Fetched != 3 {
			t.Errorf("%d fetched, %v", s.Fetched, s.Err)
		}
		if _, _, err := g.Fetcher.Plan(context.Background(), g.Account); err != nil { // it waits, and keeps no record
			t.Fatal(err)
		}
		if s := g.Run(); s.Err != nil { // refused, waits
			t.Error(s.Err)
		}
	})
}
