//go:build unix

package command

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// moved is a mailbox that goes from one real server to another.
type moved struct {
	*lab
	to *realtest.Mailbox
}

// moving starts a POP3 server with the messages, and writes the account that takes
// them to the mailbox. More are keys of the target.
func moving(t *testing.T, from *realtest.Server, to *realtest.Mailbox, messages [][]byte, more ...string) *moved {
	t.Helper()
	m := &moved{newLab(t), to}
	from.Add(messages)
	m.configure(from, more...)
	return m
}

func (m *moved) configure(from *realtest.Server, more ...string) {
	m.t.Helper()
	target := append([]string{"user: alice", "password: " + realtest.Password}, more...)
	if m.to.TLSAddr != "" {
		target = append(target, "server: "+m.to.TLSAddr, "ca_file: "+m.to.CA)
	} else {
		target = append(target, "server: "+m.to.Addr, "tls: none")
	}
	lines := append([]string{"id: lab", "user: alice", "deliver:\n  - imap: {" + strings.Join(target, ", ") + "}"}, from.Account...)
	m.write("config.yaml", []byte(accountYAML("lab", lines)))
}

// munged is what Cyrus makes of a message: X in place of 8-bit bytes in its header.
func munged(text []byte) []byte {
	out := bytes.Clone(text)
	header, _, _ := bytes.Cut(out, []byte("\n\n"))
	for i, c := range header {
		if c >= 0x80 {
			header[i] = 'X'
		}
	}
	return out
}

// bare is a message without CR and the last line end: Maildirs of servers hold LF, and
// POP3 ends the last line. Verify compares all bytes.
func bare(text []byte) []byte {
	return bytes.TrimRight(bytes.ReplaceAll(text, []byte("\r"), nil), "\n")
}

// bySum counts messages by what a server makes of them.
func bySum(messages [][]byte, stored func([]byte) []byte) map[[sha256.Size]byte]int {
	n := make(map[[sha256.Size]byte]int)
	for _, text := range messages {
		n[sha256.Sum256(stored(bare(text)))]++
	}
	return n
}

// movedMail is a mailbox with all traps of the corpus: equal messages, 8-bit headers, dots,
// a line of 1 MiB, no last line end. MAILHAUL_MOVE is how many messages it has.
func movedMail() [][]byte {
	n := 250
	if more, err := strconv.Atoi(os.Getenv("MAILHAUL_MOVE")); err == nil {
		n = more
	}
	out := append(traps(), pop3test.Corpus(18, n-20-len(traps()))...)
	for i := range 20 { // equal ones, and 8-bit bytes in header fields
		text := out[len(traps())+15+i]
		if i%2 == 0 {
			text = bytes.Replace(text, []byte("Subject: "), []byte("Subject: caf\xe9 "), 1)
		}
		out = append(out, text)
	}
	return out
}

// TestMailboxMoved moves a mailbox from a Dovecot to another server, with ten kills. Each
// message is there once; verify finds all of them intact, or altered as that server is known
// to alter them; the report says no before it, and yes after it or once a person has accepted
// what was altered; then purge removes all.
func TestMailboxMoved(t *testing.T) {
	t.Parallel()
	same := func(text []byte) []byte { return text }
	for _, c := range []struct {
		name   string
		server func(pop3test.TB, string) *realtest.Mailbox
		stored func([]byte) []byte // what the server makes of a message
	}{{"Dovecot", realtest.DovecotIMAP, same}, {"Cyrus", realtest.CyrusIMAP, munged}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from := realtest.Dovecot(t)
			m := moving(t, from, c.server(t, ""), movedMail())
			kept, total := from.Kept(), len(movedMail())
			start := time.Now()
			open := false
			for kills, limit := 0, strconv.Itoa(len(kept)/25); kills < 10; {
				before := m.stored()
				if before == len(kept) {
					t.Fatalf("only %d kills", kills)
				}
				if m.killed(func() bool { return m.stored() > before }, "fetch", "--limit", limit) { // else it was faster
					kills++
					open = open || strings.Contains(m.run("status").out, " for the next one to complete")
				}
			}
			if !open {
				t.Error("no status says that deliveries are left to complete")
			}
			if r := m.report(); r.Safe {
				t.Error("the report says yes before all is there")
			}
			for o := m.run("fetch", "--limit", "1000"); o.code == 0 && !strings.Contains(o.out, "nothing new"); {
				o = m.run("fetch", "--limit", "1000")
			}
			t.Logf("%d messages with ten kills in %s", len(kept), time.Since(start).Round(time.Second))
			if got, want := bySum(m.to.Kept("INBOX"), same), bySum(kept, c.stored); !maps.Equal(got, want) {
				t.Errorf("%d messages in the mailbox, %d different, want %d, %d different", len(m.to.Kept("INBOX")), len(got),
					len(kept), len(want))
			}
			if o := m.run("fetch"); !strings.Contains(o.out, "nothing new") {
				t.Error(o)
			}
			altered := slices.DeleteFunc(kept, func(text []byte) bool { return bytes.Equal(c.stored(bare(text)), bare(text)) })
			m.proves(total, len(altered))
			m.want(m.run("purge", "--yes", "lab"), 0)
			if n := len(from.Kept()); n != 0 {
				t.Errorf("%d left on the server", n)
			}
		})
	}
}

// proves runs verify and report for n messages, of which the server has altered some.
func (m *moved) proves(n, altered int) {
	m.t.Helper()
	o := m.run("verify")
	says := fmt.Sprintf("%d messages delivered, %d verified", n, n-altered)
	if m.want(o, map[bool]int{false: 0, true: 65}[altered > 0]); altered > 0 {
		says += fmt.Sprintf(", %d altered", altered)
	}
	if !strings.Contains(o.out, says+"\n") || strings.Count(o.out, "8-bit bytes in header fields") != altered {
		m.t.Errorf("no %q in %v", says, o)
	}
	if altered > 0 {
		if m.report().Safe {
			m.t.Error("the report says yes although copies are altered")
		}
		m.want(m.run("verify", "--accept-altered"), 0)
	}
	if r := m.report(); !r.Safe {
		m.t.Errorf("%+v", r)
	}
}

// stored is how many messages the target's server has taken so far.
func (m *moved) stored() (n int) {
	for _, pattern := range []string{"new/*", "cur/*", "spool/uuid/*/*/*/[0-9]*."} {
		names, _ := filepath.Glob(filepath.Join(m.to.Dir, pattern))
		n += len(names)
	}
	return n
}
