//go:build unix

package command

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
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
	if code := Main(t.Context(), []string{"mailhaul", "fetch"}, term.Streams{Out: &b, Err: &b}); code != 0 ||
		!strings.Contains(b.String(), "3 messages fetched") {
		t.Errorf("exit %d: %s", code, &b)
	}
	if n := len(to.Kept("Old mail")); n != 3 {
		t.Errorf("%d messages in the mailbox", n)
	}
}

// TestInitAsksForMailbox: the same in a dialogue.
func TestInitAsksForMailbox(t *testing.T) {
	t.Parallel()
	tty := newTerminal(t, 110, 60)
	tty.enter("mailhaul init --offline --no-connect --address alice@example.org --server pop.example.org")
	for _, step := range []struct{ shows, answer string }{
		{"Name of the account [example]:", ""}, {"Number [1]:", "2"}, {"IMAP server (host or host:port):", "bob@other.example"},
		{"bob@other.example: is not a host name (such as imap.example.org)\nIMAP server (host or host:port):", "imap.example.net:1:2"},
		{"imap.example.net:1:2: is not a host name (such as imap.example.org)\nIMAP server (host or host:port):", "imap.example.net:143"},
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
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "- imap: {server: imap.example.net, tls: starttls, user: alice@example.net, "+
		"mailbox: Archive/Old}")
	tty.enter("n")
	screen = tty.awaitChoice("What now?")
	_, line, _ := strings.Cut(screen, ") change the target: imap:")
	tty.enter(screen[len(screen)-len(line)-len(") change the target: imap:")-1:][:1])
	for _, step := range []struct{ shows, answer string }{ // what was answered is proposed
		{"Number [2]:", ""}, {"IMAP server (host or host:port) [imap.example.net]:", "mail.example.net:143"},
		{"User name there [alice@example.net]:", ""}, {"Mailbox [Archive/Old]:", ""}, {"Number [1]:", "4"},
		{"Password for alice@example.net:", "x"},
	} {
		tty.await(step.shows)
		tty.enter(step.answer)
	}
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "{server: mail.example.net, tls: starttls, user: alice@example.net, mailbox: "+
		"Archive/Old}")
}

// TestInitMailboxNames: a name that no server has is asked for again, and not as the option
// that was not given; characters that a URL has another use for are taken as they are.
func TestInitMailboxNames(t *testing.T) {
	t.Parallel()
	tty := newTerminal(t, 110, 60)
	tty.enter("mailhaul init --offline --no-connect --address alice@example.org --server pop.example.org")
	for _, step := range []struct{ shows, answer string }{
		{"Name of the account [example]:", ""}, {"Number [1]:", "2"}, {"IMAP server (host or host:port):", "imap.example.net"},
		{"User name there:", "alice"}, {"Mailbox [INBOX]:", "/Old"}, {"mailbox: has a level without a name: wants a name such as INBOX or " +
			"Archive/2019\nIMAP server (host or host:port):", "imap.example.net"},
		{"User name there:", "alice"}, {"Mailbox [INBOX]:", "Old/50% #1?"},
	} {
		if screen := tty.await(step.shows); strings.Contains(screen, "--to imaps") {
			t.Error(screen)
		}
		tty.enter(step.answer)
	}
	tty.awaitChoice("Where is the password kept?")
	tty.enter("4")
	tty.await("Password for alice:")
	tty.enter("x")
	tty.awaitChoice("Where is the password kept?")
	tty.enter("4")
	tty.await("Password for alice@example.org:")
	tty.enter("y")
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "Old/50% #1?")
}

// TestInitCorrectsTLSOfMailbox: how the target is connected to, and whom its certificate
// has to be from, can be corrected and is written.
func TestInitCorrectsTLSOfMailbox(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	drop := dropOf(letters(2))
	s := pop3test.NewServer(drop, pop3test.Options{})
	defer s.Close()
	tty := newTerminal(t, 140, 80)
	ca, err := s.CA.WriteRoot(tty.home)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	tty.enter("mailhaul init --offline --address alice@example.org --user alice --server localhost:" + port + " --ca-file " + ca +
		" --account work --password-command 'echo secret' --to-password-command 'echo " + realtest.Password + "'")
	for _, step := range []struct{ shows, answer string }{
		{"Name of the account [work]:", ""}, {"Number [1]:", "2"}, {"IMAP server (host or host:port):", to.Addr},
		{"User name there:", "alice"}, {"Mailbox [INBOX]:", ""},
	} {
		tty.await(step.shows)
		tty.enter(step.answer)
	}
	name := "imap:alice@" + to.Addr + "/INBOX"
	wantAll(t, tty.awaitChoice("What now?"), "  1) change TLS of "+name+": TLS from the start, authorities of this system trusted\n")
	for _, step := range []struct{ answer, shows string }{
		{"1", "2) TLS by STARTTLS, usually on port 143\n  3) no TLS, usually on port 143\nNumber [1]:"},
		{"2", "by the fingerprint of its key alone (pin)\nNumber [1]:"}, {"2", "File:"}, {to.CA, "config.yaml? (y/n) [y]:"},
	} {
		tty.enter(step.answer)
		tty.await(step.shows)
	}
	wantAll(t, tty.screen(), "everything works", "tls: starttls", "ca_file: "+to.CA)
	tty.enter("")
	tty.await("--all\n$ ")
	tty.clear()
	tty.enter("mailhaul fetch")
	wantAll(t, tty.await("\n$ "), "2 messages fetched")
	if n := len(to.Kept("INBOX")); n != 2 {
		t.Errorf("%d messages in the mailbox", n)
	}
}

// TestInitAsksForFastmail: a mailbox with an interface of its own is a target that is
// asked for; what could not be read is asked for again.
func TestInitAsksForFastmail(t *testing.T) {
	t.Parallel()
	tty := newTerminal(t, 120, 60)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tty.enter("mailhaul init --offline --no-connect --password-command 'pass x' --address alice@example.org --server pop.example.org")
	tty.await("Name of the account [example]:")
	tty.enter("")
	screen := tty.awaitChoice("Where should the mail go?")
	before, _, _ := strings.Cut(screen, ") Fastmail")
	tty.enter(before[len(before)-1:])
	for _, step := range []struct{ shows, answer string }{{"JMAP server [api.fastmail.com]:", ""},
		{"File with the API token:", token + "-none"},
		{"no such file or directory\nJMAP server [api.fastmail.com]:", ""}, {"File with the API token:", token}} {
		tty.await(step.shows)
		tty.enter(step.answer)
	}
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "- jmap: {server: api.fastmail.com, token: {file: ")
	tty.enter("n")
	tty.awaitChoice("What now?")
}

// TestInitAsksForGmail: the registration is explained and asked for; what is written names
// the login, and can be used.
func TestInitAsksForGmail(t *testing.T) {
	t.Parallel()
	tty := newTerminal(t, 160, 70)
	secret := filepath.Join(t.TempDir(), "client-secret")
	if err := os.WriteFile(secret, []byte("s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tty.enter("mailhaul init --offline --no-connect --password-command 'pass x' --address alice@example.org --server pop.example.org")
	tty.await("Name of the account [example]:")
	tty.enter("")
	screen := tty.awaitChoice("Where should the mail go?")
	before, _, _ := strings.Cut(screen, ") Gmail, with spam filter")
	tty.enter(before[len(before)-1:])
	wantAll(t, tty.await("Client id of your registration:"), "register a client of the type \"Desktop app\"", "publish it")
	tty.enter("1234.apps.googleusercontent.com")
	tty.await("File with its client secret:")
	tty.enter(secret + "-none")
	wantAll(t, tty.await("Client id of your registration:"), "\ngmail.oauth.client_secret.file: "+secret+"-none: no such file or directory")
	tty.enter("1234.apps.googleusercontent.com")
	tty.await("File with its client secret:")
	tty.enter(secret)
	wantAll(t, tty.await("config.yaml? (y/n) [y]:"), "- gmail:", "provider: google", "client_id: 1234.apps.googleusercontent.com",
		"client_secret: {file: "+secret+"}")
	tty.enter("")
	wantAll(t, tty.await("\n$ "), "mailhaul login example/gmail")
	tty.clear()
	tty.enter("mailhaul check; mailhaul status; echo do''ne")
	wantAll(t, tty.await("done\n$ "), "example: ok", "needs `mailhaul login example/gmail`")
}
