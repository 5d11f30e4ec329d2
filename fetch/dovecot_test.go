package fetch_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// sums counts the messages of a Maildir by their SHA-256.
func sums(t *testing.T, dir string) map[[32]byte]int {
	t.Helper()
	got := make(map[[32]byte]int)
	for _, sub := range []string{"new", "cur", "tmp"} {
		names, _ := filepath.Glob(filepath.Join(dir, sub, "*"))
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			got[sha256.Sum256(b)]++
		}
	}
	return got
}

// TestDovecot fetches 1,000 messages with all traps, one of 30 MiB, from a
// real Dovecot: first to keep them, then to delete them.
func TestDovecot(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"implicit": "secret", "stls": "secret",
		"plain": "secret"}})
	corpus := pop3test.CorpusOptions{Seed: 7, N: 1000, Huge: true}.Generate()
	want := make(map[[32]byte]int)
	for _, m := range corpus {
		want[pop3test.Sum(m)]++
	}
	servers := map[string]*pop3.Server{
		"implicit": {Port: d.TLSPort, Security: pop3.ImplicitTLS, TLS: d.CA.ClientTLS()},
		"stls":     {Port: d.Port, Security: pop3.STLS, TLS: d.CA.ClientTLS()},
		"plain":    {Port: d.Port, Security: pop3.Plain, Insecure: true, TLS: &tls.Config{}},
	}
	for user, server := range servers {
		d.AddMessages(user, corpus)
		server.Host, server.LF, server.Idle = d.Host, true, time.Minute
		server.Logins = []pop3.Login{{Name: "USER", User: user, Clear: true,
			Password: func(context.Context) (string, error) { return "secret", nil }}}
	}
	for user, server := range servers {
		t.Run(user, func(t *testing.T) { fetchAll(t, d, user, server, want) })
	}
}

func fetchAll(t *testing.T, d *pop3test.Dovecot, user string, server *pop3.Server, want map[[32]byte]int) {
	dir := t.TempDir()
	path := filepath.Join(dir, "Maildir")
	run := func(k plan.Keep) fetch.Summary {
		f := &fetch.Fetcher{StateDir: filepath.Join(dir, "state"), Recover: map[string]deliver.RecoverFunc{maildir.Kind: maildir.Recover}}
		s := f.Run(context.Background(), []*fetch.Account{{
			Name: user, ID: user, Server: server, Policy: plan.Policy{Keep: k},
			Targets: []commit.Target{{ID: "m", Deliverer: maildir.New(maildir.Options{Path: path})}},
		}})[0]
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		return s
	}
	if s := run(plan.Keep{}); s.Fetched != 1000 || s.Deleted != 0 {
		t.Errorf("first run: %d fetched, %d deleted", s.Fetched, s.Deleted)
	}
	if got := sums(t, path); !maps.Equal(got, want) {
		t.Errorf("%d different messages delivered, want %d", len(got), len(want))
	}
	if s := run(plan.Keep{}); s.Fetched != 0 || s.Listed != 1000 {
		t.Errorf("second run: %d fetched of %d", s.Fetched, s.Listed)
	}
	if n := d.Maildrop(user); n != 1000 {
		t.Errorf("%d messages on the server, want 1000", n)
	}
	if s := run(plan.Keep{None: true}); s.Fetched != 0 || s.Deleted != 1000 {
		t.Errorf("with keep none: %d fetched, %d deleted", s.Fetched, s.Deleted)
	}
	if n := d.Maildrop(user); n != 0 {
		t.Errorf("%d messages left on the server", n)
	}
	if got := sums(t, path); !maps.Equal(got, want) {
		t.Error("the deletion changed what was delivered")
	}
}
