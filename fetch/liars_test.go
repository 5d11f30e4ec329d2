package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// TestLiars: each lie at each place, in a first session that keeps the mail and
// a second, or in one that deletes it; then the honest twin takes over.
func TestLiars(t *testing.T) {
	t.Parallel()
	names := [...]string{"honest", "no dot-stuffing", "early end, late -ERR", "next reply inside a body", "hangs up", "hangs up halfway",
		"silent", "garbled", "surrogate", "UIDL refused", "TOP refused", "UIDs changed", "UIDs of the header", "blank lines",
		"deletes late", "limit"}
	for kind := range lieKinds {
		for _, keep := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/keep=%t", names[kind], keep), func(t *testing.T) {
				t.Parallel()
				for n := range liarLetters {
					for _, lies := range [][]lie{{{kind, n}}, {{honest, n}, {kind, n}}, {{kind, n}, {kind, (n + 1) % liarLetters}}} {
						synctest.Test(t, func(t *testing.T) { outlive(t, lies, keep) })
						if t.Failed() {
							return
						}
					}
				}
			})
		}
	}
}

// outlive runs an account against a liar and the twin that takes over, until
// nothing is left to do: then each message is there once and byte for byte. At
// no time is one deleted that was not delivered.
func outlive(t *testing.T, lies []lie, keep bool) {
	t.Helper()
	outliveWith(t, lies, keep, func(*fetch.Account) {})
}

// outliveWith has the account changed before.
func outliveWith(t *testing.T, lies []lie, keep bool, change func(*fetch.Account)) {
	t.Helper()
	l := newLiar(lies)
	dir := t.TempDir()
	a := &fetch.Account{
		Name: "liar", ID: "liar",
		Server: &pop3.Server{Host: "pop.example.org", Security: pop3.Plain, Insecure: true, LF: true, Idle: 10 * time.Second, Dial: l.dial,
			Logins: []pop3.Login{{Name: "USER", User: "alice", Clear: true,
				Password: func(context.Context) (string, error) { return "secret", nil }}}},
		Targets: []commit.Target{{ID: "maildir", Deliverer: maildir.New(maildir.Options{Path: filepath.Join(dir, "Maildir")})}},
	}
	change(a)
	fetcher := &fetch.Fetcher{StateDir: filepath.Join(dir, "state"), Recover: map[string]deliver.RecoverFunc{maildir.Kind: maildir.Recover}}
	var last fetch.Summary
	for run := range 12 {
		a.Policy.Keep.None = !keep || run > 2
		last = fetcher.Run(t.Context(), []*fetch.Account{a})[0]
		if fetch.ExitOf(last.Err) == fetch.ExitSoftware {
			t.Errorf("%v: the server's doing is called a bug here: %v", lies, last.Err)
		}
		l.check(t, filepath.Join(dir, "Maildir"), lies)
		if run > max(2, len(lies)) && last.Err == nil && len(l.left()) == 0 || t.Failed() {
			break
		}
		time.Sleep(25 * time.Hour) // a pause after failures is over
	}
	time.Sleep(time.Minute) // its sessions end
	if left := l.left(); len(left) > 0 && !t.Failed() {
		t.Errorf("%v: %d messages never leave the server: %v, %v", lies, len(left), last.Err, last.Notes)
	}
}

// check compares the Maildir with the messages: none twice, damaged or foreign,
// and those that are gone from the server are there.
func (l *liar) check(t *testing.T, dir string, lies []lie) {
	t.Helper()
	there := make(map[string]int)
	names, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		there[string(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))]++
	}
	for i, m := range l.letters {
		n := there[string(m.body)]
		if n > 1 || n == 0 && m.gone {
			t.Errorf("%v: message %d is there %d times, deleted: %t", lies, i, n, m.gone)
		}
		delete(there, string(m.body))
	}
	for text := range there {
		t.Errorf("%v: damaged or foreign, %d bytes: %.80q", lies, len(text), text)
	}
}
