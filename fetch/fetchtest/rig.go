// Package fetchtest is the fixture of the engine's tests: a maildrop on a POP3
// server, an account that fetches it, and what was delivered. It imports the
// engine, so only external tests (package fetch_test, ...) can use it.
package fetchtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

// Rig is a maildrop on a server and an account that fetches it.
type Rig struct {
	T       *testing.T
	Dir     string
	Drop    *pop3test.Maildrop
	Server  *pop3test.Server
	Account *fetch.Account
	Fetcher *fetch.Fetcher
	Prover  *proof.Prover
	// Targets, if set, makes the targets anew for each run, as the command does.
	Targets func() []commit.Target
}

// New returns a rig whose account delivers to the Maildir "Maildir".
func New(t *testing.T, drop *pop3test.Maildrop, o pop3test.Options) *Rig {
	t.Helper()
	g := &Rig{T: t, Dir: t.TempDir(), Drop: drop}
	g.Account = NewAccount("test", "", 0)
	g.Account.Server.Idle = 5 * time.Second
	g.ServeWith(o)
	g.Account.Targets = []commit.Target{{ID: "maildir", Deliverer: maildir.New(maildir.Options{Path: g.Path("Maildir")})}}
	g.Fetcher = &fetch.Fetcher{StateDir: g.Path("state"), Recover: RecoverFuncs()}
	g.Prover = &proof.Prover{Fetcher: g.Fetcher}
	return g
}

// NewAccount returns alice's account, without targets, at a server without TLS.
func NewAccount(name, host string, port int) *fetch.Account {
	return &fetch.Account{
		Name: name, ID: name,
		Server: &pop3.Server{Host: host, Port: port, Security: pop3.Plain, Insecure: true, LF: true,
			Logins: []pop3.Login{{Name: "USER", User: "alice", Clear: true,
				Password: func(context.Context) (string, error) { return "secret", nil }}}},
	}
}

// NewWithTargets returns a rig with messages of the subjects "1", "2", ...,
// that deletes what it has delivered to the given targets, and has a quarantine.
func NewWithTargets(t *testing.T, messages int, o pop3test.Options, targets func(g *Rig) []commit.Target) *Rig {
	t.Helper()
	g := New(t, &pop3test.Maildrop{}, o)
	g.Targets = func() []commit.Target { return targets(g) }
	g.Account.Policy.Keep.None = true
	g.Account.Quarantine = &commit.Target{ID: "quarantine", Deliverer: maildir.New(maildir.Options{Path: g.Path("quarantine")})}
	for i := range messages {
		g.Drop.Add(fmt.Sprintf("uid%d", i+1), Numbered(i+1))
	}
	return g
}

// NewFetched returns a rig that has fetched n messages and can read them back.
func NewFetched(t *testing.T, n int) *Rig {
	t.Helper()
	g := New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Prover.ReadBack = func(context.Context, *fetch.Account, string) (proof.Copies, error) {
		return ReadBack(g.Path("Maildir"))
	}
	g.Add(n)
	if s := g.Run(); s.Fetched != n {
		t.Fatalf("%+v", s)
	}
	return g
}

// ServeWith puts another server before the same maildrop.
func (g *Rig) ServeWith(o pop3test.Options) {
	g.T.Helper()
	o.Security = pop3test.Plain
	g.Server = pop3test.NewServer(g.Drop, o)
	g.T.Cleanup(g.Server.Close)
	g.Account.Server.Host, g.Account.Server.Port = g.Server.Host, g.Server.Port
}

// Piped runs fn in a bubble, whose clock stands still while anybody is busy,
// with a server that needs no network.
func (g *Rig) Piped(o pop3test.Options, fn func(server *pop3test.Server)) {
	g.T.Helper()
	o.Security = pop3test.Plain
	outside := time.Now()
	synctest.Test(g.T, func(*testing.T) {
		server := pop3test.NewUnstartedServer(g.Drop, o)
		defer server.Close()
		g.Account.Server.Idle = time.Minute
		inside := time.Now()
		g.Fetcher.Now = func() time.Time { return outside.Add(time.Since(inside)) } // what was fetched before is older
		g.Account.Server.Dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			server.ServeConn(theirs)
			return ours, nil
		}
		fn(server)
	})
}

// Add puts n more messages, all different, on the server.
func (g *Rig) Add(n int) {
	for range n {
		i := g.Drop.Len()
		g.Drop.Add("", fmt.Appendf(nil, "Message-ID: <%d.%d@test>\r\nSubject: %d\r\n\r\nbody\r\n", i, time.Now().UnixNano(), i))
	}
}

// Put adds a message with the unique-id uid.
func (g *Rig) Put(uid, id string) {
	g.Drop.Add(uid, fmt.Appendf(nil, "Message-ID: <%s@test>\r\nSubject: %s\r\n\r\nbody\r\n", id, id))
}

// Run fetches once.
func (g *Rig) Run() fetch.Summary {
	g.T.Helper()
	return g.run(context.Background())
}

// RunFor is Run with an end, for what might have none.
func (g *Rig) RunFor(d time.Duration) fetch.Summary {
	g.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return g.run(ctx)
}

func (g *Rig) run(ctx context.Context) fetch.Summary {
	if g.Targets != nil {
		g.Account.Targets = g.Targets()
	}
	return g.Fetcher.Run(ctx, []*fetch.Account{g.Account})[0]
}

// Report is the account's report, with the listing of the server.
func (g *Rig) Report() *proof.Report {
	g.T.Helper()
	rep, err := g.Prover.Report(context.Background(), g.Account, true)
	if err != nil {
		g.T.Fatal(err)
	}
	return rep
}

// View reads the state between two runs.
func (g *Rig) View(fn func(*state.View)) {
	g.T.Helper()
	db, err := state.Open(state.Path(g.Fetcher.StateDir, g.Account.ID), state.Options{ReadOnly: true})
	if err != nil {
		g.T.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(v *state.View) error { fn(v); return nil }); err != nil {
		g.T.Fatal(err)
	}
}

// Entry is what the state holds of a message, and the failures recorded for it.
func (g *Rig) Entry(uid string) (e state.Entry, failures []state.Failure) {
	g.T.Helper()
	g.View(func(v *state.View) {
		e, _ = v.Get(state.NewKey(uid, 0))
		failures = v.Failures()[state.NewKey(uid, 0)]
	})
	return e, failures
}

// Failures is how many messages the state has failures of.
func (g *Rig) Failures() (n int) {
	g.T.Helper()
	g.View(func(v *state.View) { n = len(v.Failures()) })
	return n
}

// Path returns the path of a name in the rig's directory.
func (g *Rig) Path(name string) string { return filepath.Join(g.Dir, name) }

// Read returns the content of a file, "" if there is none.
func (g *Rig) Read(path string) string {
	g.T.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.T.Fatal(err)
	}
	return string(b)
}

// Files are the paths of what was delivered to the Maildir "Maildir".
func (g *Rig) Files() []string {
	names, _ := filepath.Glob(filepath.Join(g.Path("Maildir"), "new", "*"))
	return names
}

// Delivered is how many messages were delivered there.
func (g *Rig) Delivered() int { return len(g.Files()) }

// Mail is what was delivered there, in one string.
func (g *Rig) Mail() string {
	g.T.Helper()
	var b strings.Builder
	for _, name := range g.Files() {
		b.WriteString(g.Read(name))
	}
	return b.String()
}

// WantExit fails the test if a run did not end with this exit code and an error
// that holds text.
func (g *Rig) WantExit(s fetch.Summary, want fetch.Exit, text string) {
	g.T.Helper()
	if got := fetch.ExitOf(s.Err); got != want || text != "" && (s.Err == nil || !strings.Contains(s.Err.Error(), text)) {
		g.T.Errorf("exit %d, want %d with %q: %v", got, want, text, s.Err)
	}
}
