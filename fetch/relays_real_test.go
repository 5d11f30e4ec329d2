//go:build unix

package fetch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// ill is a cause, and what a run comes to while it holds.
type ill struct {
	name string
	exit fetch.Exit
	to   string // default: pat, who is known
	most int    // messages that may arrive in spite of it
}

// TestRealRelays: real relays that put off, limit, stall or refuse. A run stops
// early, its exit status is true, nothing is quarantined, and everything arrives
// once the cause is gone.
func TestRealRelays(t *testing.T) {
	t.Parallel()
	const unknown = "pta@example.org"
	t.Run("Postfix", func(t *testing.T) {
		t.Parallel()
		r := realtest.Postfix(t, map[string]string{
			"greylisting": "smtpd_recipient_restrictions = check_client_access static:{450 4.2.0 Greylisted}, reject_unauth_destination",
			"rate":        "smtpd_client_message_rate_limit = 2",
			"tarpit": "smtpd_error_sleep_time = 1s\nsmtpd_soft_error_limit = 1\nsmtpd_recipient_restrictions = " +
				"check_client_access static:{451 4.3.0 busy}, reject_unauth_destination",
			"helo": "smtpd_helo_restrictions = check_client_access static:{504 5.5.2 Helo command rejected: need " +
				"fully-qualified hostname}",
			"sender": "smtpd_sender_restrictions = check_sender_access static:{553 5.7.1 Sender address rejected: not owned by you}",
			"full":   "queue_minfree = 900000000000000",
		})
		tryRelay(t, r, ill{"greylisting", fetch.ExitTemp, "", 0}, ill{"rate", fetch.ExitTemp, "", 2}, ill{"tarpit", fetch.ExitTemp, "", 0},
			ill{"helo", fetch.ExitCannotWrite, "", 0}, ill{"sender", fetch.ExitCannotWrite, "", 0},
			ill{"full", fetch.ExitTemp, "", 0}, ill{"well", fetch.ExitCannotWrite, unknown, 0})
	})
	t.Run("Exim", func(t *testing.T) {
		t.Parallel()
		r := realtest.Exim(t, map[string]string{
			"greylisting": "defer message = Greylisted",
			"rate":        "defer ratelimit = 2 / 1h / per_mail / strict\n  message = Sender rate limit exceeded",
			"tarpit":      "defer delay = 1s\n  message = Temporary local problem",
			"helo":        "deny message = Invalid HELO name",
		})
		tryRelay(t, r, ill{"greylisting", fetch.ExitTemp, "", 0}, ill{"rate", fetch.ExitTemp, "", 3}, ill{"tarpit", fetch.ExitTemp, "", 0},
			ill{"helo", fetch.ExitCannotWrite, "", 0}, ill{"well", fetch.ExitCannotWrite, unknown, 0})
	})
}

func tryRelay(t *testing.T, r *realtest.Relay, causes ...ill) {
	for k, c := range causes { // each has the same twenty messages
		to := c.to
		if to == "" {
			to = "pat@example.org"
		}
		now := fetchtest.RelayTarget(r.Ports[c.name], false, to)
		g := fetchtest.NewWithTargets(t, 20, pop3test.Options{},
			func(*fetchtest.Rig) []commit.Target { now.ID = "relay"; return []commit.Target{now} })
		before, began := len(r.Delivered()), time.Now()
		for run := range 3 {
			s := g.Run()
			if fetch.ExitOf(s.Err) != c.exit || s.Quarantined != 0 || s.Fetched > c.most {
				t.Errorf("%s, run %d: exit %d: %+v", c.name, run, fetch.ExitOf(s.Err), s)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s, run %d: after %s", c.name, run, took)
			}
		}
		now = fetchtest.RelayTarget(r.Ports["well"], false, "pat@example.org")
		g.WantExit(g.Run(), fetch.ExitOK, "")
		if g.Drop.Len() != 0 {
			t.Errorf("%s: %d on the server", c.name, g.Drop.Len())
		}
		for end := time.Now().Add(20 * time.Second); len(r.Delivered())-before < 20 &&
			time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		}
		got := make(map[string]int)
		for _, m := range r.Delivered() {
			got[smtptest.Subject(string(m))]++
		}
		for i := range 20 {
			if n := got[fmt.Sprint(i+1)]; n != k+1 {
				t.Errorf("%s: message %d arrived %d times, want %d", c.name, i+1, n, k+1)
			}
		}
	}
}

// TestRealOverQuota: Cyrus puts mail off while the mailbox is full.
func TestRealOverQuota(t *testing.T) {
	t.Parallel()
	socket, empty, kept := realtest.CyrusLMTP(t)
	g := fetchtest.NewWithTargets(t, 20, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.RelayTarget(socket, true, "alice")}
	})
	for range 4 {
		s := g.Run()
		g.WantExit(s, fetch.ExitTemp, "Over quota")
		if s.Quarantined != 0 || s.Failed != 0 || s.Fetched != 0 {
			t.Errorf("%+v", s)
		}
	}
	empty()
	g.WantExit(g.Run(), fetch.ExitOK, "")
	got := make(map[string]int)
	for _, m := range kept() {
		got[smtptest.Subject(string(m))]++
	}
	delete(got, "big") // until it is expunged
	if len(got) != 20 || g.Drop.Len() != 0 {
		t.Errorf("%d arrived, %d on the server: %v", len(got), g.Drop.Len(), got)
	}
}
