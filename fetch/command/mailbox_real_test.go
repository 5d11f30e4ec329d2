//go:build unix

package command

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

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

// arrived are the messages of the mailbox, by content.
func (m *moved) arrived(mailbox string) map[[sha256.Size]byte]int {
	m.t.Helper()
	return bySum(m.to.Kept(mailbox))
}

// bySum counts messages by their text without CR and the last line end: Maildirs of
// servers hold LF, and POP3 ends the last line. Verify compares all bytes.
func bySum(messages [][]byte) map[[sha256.Size]byte]int {
	n := make(map[[sha256.Size]byte]int)
	for _, text := range messages {
		n[sha256.Sum256(bytes.TrimRight(bytes.ReplaceAll(text, []byte("\r"), nil), "\n"))]++
	}
	return n
}

// TestMailboxToMailbox moves a mailbox from one Dovecot to another, with kills. Each
// message arrives once and byte for byte; verify, report, purge and the manifest read
// it back from there.
func TestMailboxToMailbox(t *testing.T) {
	t.Parallel()
	from := realtest.Dovecot(t)
	messages := append(traps(), pop3test.Corpus(18, 300)...)
	m := moving(t, from, realtest.DovecotIMAP(t, ""), messages)
	kept := from.Kept()
	m.run("version") // makes the program
	for kill := 1; kill <= 10; kill++ {
		goal := kill * len(kept) / 12
		if !m.killed(func() bool { return m.stored() >= goal }, "fetch") {
			t.Fatalf("kill %d: the run ended before it", kill)
		}
	}
	if r := m.report(); r.Safe {
		t.Error("the report says yes before all is there")
	}
	m.want(m.run("fetch"), 0)
	if got, want := m.arrived("INBOX"), bySum(kept); !maps.Equal(got, want) {
		t.Errorf("%d messages in the mailbox, %d different, want %d", len(m.to.Kept("INBOX")), len(got), len(kept))
	}
	if o := m.run("fetch"); !strings.Contains(o.out, "nothing new") {
		t.Error(o)
	}
	o := m.run("verify")
	m.want(o, 0)
	if !strings.Contains(o.out, fmt.Sprintf("%d messages delivered, %d verified", len(kept), len(kept))) {
		t.Error(o)
	}
	if r := m.report(); !r.Safe {
		t.Errorf("%+v", r)
	}
	m.want(m.run("purge", "--yes", "lab"), 0)
	if n := len(from.Kept()); n != 0 {
		t.Errorf("%d left on the server", n)
	}
}

// TestMailboxToCyrus: Cyrus alters 8-bit bytes in header fields. Each message is there
// once; verify counts the altered ones, and the report says yes only once a person has
// accepted them.
func TestMailboxToCyrus(t *testing.T) {
	t.Parallel()
	from := realtest.Dovecot(t)
	m := moving(t, from, realtest.CyrusIMAP(t, ""), append(traps(), letters(60)...))
	n := len(from.Kept())
	m.want(m.run("fetch"), 0)
	o := m.run("verify")
	m.want(o, 65)
	if !strings.Contains(o.out, fmt.Sprintf("%d messages delivered, %d verified, 1 altered", n, n-1)) || !strings.Contains(o.out, "8-bit bytes in header fields") {
		t.Error(o)
	}
	if r := m.report(); r.Safe {
		t.Error("the report says yes although a copy is altered")
	}
	m.want(m.run("verify", "--accept-altered"), 0)
	if r := m.report(); !r.Safe {
		t.Errorf("%+v", r)
	}
}

// stored is how many messages the target's server has taken so far.
func (m *moved) stored() (n int) {
	for _, sub := range []string{"new", "cur"} {
		names, _ := os.ReadDir(m.to.Dir + "/" + sub)
		n += len(names)
	}
	return n
}
