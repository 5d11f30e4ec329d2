package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// throttled is a target that asks for a pause when it is to publish, or to
// recover, until it has had it.
type throttled struct {
	deliver.Deliverer
	until *time.Time
}

func (d throttled) refusal() error {
	if left := time.Until(*d.until); left > 0 {
		return &deliver.Error{Class: deliver.Unavailable, Pause: left, Err: errors.New("slow down")}
	}
	return nil
}

func (d throttled) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := d.Deliverer.Begin(ctx)
	return throttledBatch{b, d}, err
}

func (d throttled) Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	if err := d.refusal(); err != nil {
		return deliver.Unknown, err
	}
	return fetchtest.RecoverFuncs()[i.Kind](ctx, i)
}

type throttledBatch struct {
	deliver.Batch
	d throttled
}

func (b throttledBatch) Publish(ctx context.Context) []deliver.Result {
	err := b.d.refusal()
	if err == nil {
		return b.Batch.Publish(ctx)
	}
	return []deliver.Result{{Err: err}, {Err: err}, {Err: err}}
}

// TestPause: the pause that a target asks for is the account's. Neither server is
// called before it is over, nothing is quarantined, and nothing is lost.
func TestPause(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	g.Piped(pop3test.Options{}, func(server *pop3test.Server) {
		until := time.Now().Add(10 * time.Minute)
		g.Account.Targets[0].Deliverer = throttled{g.Account.Targets[0].Deliverer, &until}
		run := func(next time.Duration) fetch.Summary {
			s := g.Run()
			if due := s.NextLogin.Sub(g.Fetcher.Now()); fetch.ExitOf(s.Err) != fetch.ExitTemp || s.Fetched != 0 || due != next {
				t.Fatalf("%v, next in %s, want %s", s.Err, due, next)
			}
			return s
		}
		run(10 * time.Minute)
		calls := server.Connections()
		for _, left := range []time.Duration{10 * time.Minute, 4 * time.Minute} {
			time.Sleep(time.Until(until) - left)
			var pause *fetch.PauseError
			if s := run(left); !errors.As(s.Err, &pause) || pause.Wait != left {
				t.Fatalf("%s left: %v", left, s.Err)
			}
		}
		if n := server.Connections(); n != calls {
			t.Errorf("the server was called %d times in the pause", n-calls)
		}
		time.Sleep(time.Until(until))
		until = time.Now().Add(time.Minute) // another one, for the recovery
		if run(time.Minute); server.Connections() != calls {
			t.Error("the recovery could not go on, and the server was called")
		}
		g.Account.Wait = time.Minute
		began := time.Now()
		if s := g.Run(); s.Err != nil || g.Delivered() != 3 || s.Quarantined != 0 || time.Since(began) != time.Minute {
			t.Errorf("%v, %d delivered after %s", s.Err, g.Delivered(), time.Since(began))
		}
		g.Account.Wait = 0
	})
}

// TestPauses: of the pauses that several targets ask for, the longest counts.
func TestPauses(t *testing.T) {
	t.Parallel()
	for range 3 {
		g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
		g.Add(3)
		g.Piped(pop3test.Options{}, func(*pop3test.Server) {
			g.Account.Targets = nil
			for i, minutes := range []time.Duration{1, 2, 9, 3, 4} {
				target := g.MaildirTarget(fmt.Sprint("Maildir", i))
				until := time.Now().Add(minutes * time.Minute)
				target.Deliverer = throttled{target.Deliverer, &until}
				g.Account.Targets = append(g.Account.Targets, target)
			}
			s := g.Run()
			if due := s.NextLogin.Sub(g.Fetcher.Now()); due != 9*time.Minute {
				t.Errorf("%v, next in %s", s.Err, due)
			}
		})
	}
}

// TestPauseOfAnother: a pause counts only while its target is configured, and if it
// can be true.
func TestPauseOfAnother(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	g.Piped(pop3test.Options{}, func(*pop3test.Server) {
		until := time.Now().Add(1000 * time.Hour)
		g.Account.Targets = []commit.Target{{ID: "other", Deliverer: throttled{g.Account.Targets[0].Deliverer, &until}}}
		s := g.Run()
		if wait := s.NextLogin.Sub(s.Started).Round(time.Hour); fetch.ExitOf(s.Err) != fetch.ExitTemp || wait != 24*time.Hour {
			t.Fatalf("%v, next in %s", s.Err, wait)
		}
		g.Account.Targets[0] = g.MaildirTarget("Maildir")
		s = g.Run()
		if s.Err != nil || s.Fetched != 3 {
			t.Errorf("%v, %d fetched", s.Err, s.Fetched)
		}
	})
}

// TestStandIn: what a recovery found in place of a message is not delivered again,
// and permits no deletion.
func TestStandIn(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	g.Fetcher.Recover["maildir"] = func(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.StandIn, nil }
	g.Piped(pop3test.Options{}, func(*pop3test.Server) {
		until := time.Now().Add(time.Minute)
		target := g.Account.Targets[0]
		g.Account.Targets[0].Deliverer = throttled{target.Deliverer, &until}
		if s := g.Run(); s.Err == nil {
			t.Fatal("the target took the messages")
		}
		time.Sleep(2 * time.Minute)
		g.Account.Targets[0], g.Account.Policy.Keep.None = target, true
		for range 2 {
			if s := g.Run(); s.Err != nil || s.Deleted != 0 || s.Known != 3 {
				t.Errorf("%v, %d fetched, %d known, %d deleted", s.Err, s.Fetched, s.Known, s.Deleted)
			}
		}
		if left, there := g.Drop.Len(), g.Delivered(); left != 3 || there != 0 {
			t.Errorf("%d left on the server, %d delivered again", left, there)
		}
	})
}

// TestGivenUp: what was on the way to a target that is not configured any more, and
// cannot be looked at without it, is given up, and the run says so.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	until := time.Now().Add(time.Minute)
	g.Account.Targets = []commit.Target{{ID: "imap:b@h/INBOX", Deliverer: throttled{g.Account.Targets[0].Deliverer, &until}}}
	g.Fetcher.Recover["maildir"] = func(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.Unknown, nil }
	if s := g.Run(); s.Err == nil {
		t.Fatal("the target took the messages")
	}
	g.Account.Targets[0] = g.MaildirTarget("Other")
	s := g.Run()
	if s.Err != nil || s.Fetched != 3 ||
		!strings.Contains(strings.Join(s.Notes, "\n"), "3 messages on the way to imap:b@h/INBOX, which is not configured any more") {
		t.Errorf("%v, %d fetched, notes %q", s.Err, s.Fetched, s.Notes)
	}
}
