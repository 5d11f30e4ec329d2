//go:build unix

package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// TestInitMailbox: another mailbox as the target, by options. Its password is kept in
// a file of its own, and fetch delivers with both.
func TestInitMailbox(t *testing.T) {
	to := realtest.DovecotIMAP(t, "")
	pop := realtest.Dovecot(t)
	pop.Add(letters(3))
	home := t.TempDir()
	t.Setenv("MAILHAUL_TO_PASSWORD", realtest.Password)
	t.Setenv("SSL_CERT_FILE", to.CA)
	server := strings.TrimPrefix(pop.Account[0], "server: ")
	code, out := initAt(t, home, "--address", "alice@example.org", "--user", "alice", "--server", server,
		"--ca-file", strings.TrimPrefix(pop.Account[1], "ca_file: "),
		"--password-command", "echo "+realtest.Password, "--to", "imaps://alice@"+to.TLSAddr+"/Old%20mail", "--yes")
	if code != 0 || !strings.Contains(out, "/mailhaul/passwords/example-target}") || !strings.Contains(out, `mailbox: "Old mail"`) {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	kept, _ := filepath.Glob(filepath.Join(home, "*", "mailhaul", "passwords", "*"))
	if len(kept) != 1 {
		t.Fatalf("kept: %q", kept)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != realtest.Password+"\n" {
		t.Errorf("%q, %v", text, err)
	}
	var b strings.Builder
	if code := Main(t.Context(), []string{"mailhaul", "fetch"}, term.Streams{Out: &b, Err: &b}); code != 0 || !strings.Contains(b.String(), "3 messages fetched") {
		t.Errorf("exit %d: %s", code, &b)
	}
	if n := len(to.Kept("Old mail")); n != 3 {
		t.Errorf("%d messages in the mailbox", n)
	}
}

// TestInitAsksForMailbox: the same in a dialogue.
func TestInitAsksForMailbox(t *testing.T) {
	tty := newTerminal(t, 110, 60)
	tty.enter("mailhaul init --offline --no-connect --address alice@example.org --server pop.example.org")
	for _, step := range []struct{ shows, answer string }{
		{"Name of the account [example]:", ""}, {"Number [1]:", "2"}, {"IMAP server (host or host:port):", "bob@other.example"},
		{"bob@other.example: is not a host name (such as imap.example.org)\nIMAP server (host or host:port):", "imap.example.net:143"},
		{"User name there:", "alice@example.net"}, {"Mailbox [INBOX]:", "Archive/Old"},
	} {
		tty.await(step.shows)
		tty.enter(step.answer)
	}
	screen := tty.awaitChoice("Where is the password kept?")
	wantAll(t, screen, "The password of alice@example.net at imap.example.net, where the mail goes:")
	tty.enter("4")
	tty.await("Password for alice@example.net:")
	tty.enter("x")
	tty.awaitChoice("Where is the password kept?")
	tty.enter("4")
	tty.await("Password for alice@example.org:")
	tty.enter("y")
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "- imap: {server: imap.example.net, tls: starttls, user: alice@example.net, mailbox: Archive/Old}")
	tty.enter("n")
	tty.awaitChoice("What now?")
}
