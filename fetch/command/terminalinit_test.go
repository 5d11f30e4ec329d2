package command

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// wantNothing: what is in the home of the terminal came from the test.
func wantNothing(t *testing.T, term *terminal) {
	t.Helper()
	_ = filepath.WalkDir(term.home, func(path string, _ fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, term.home)
		if err != nil || name != "" && !strings.HasPrefix(name, "/bin") && filepath.Ext(name) != ".pem" && name != "/client" &&
			name != "/file" {
			t.Errorf("left: %s, %v", name, err)
		}
		return nil
	})
}

// startInit answers the first questions: an account alice with a password in a
// file, at a server with TLS from the start.
func startInit(term *terminal, server, user, password string) {
	const address = "alice@example.org"
	term.enter("mailhaul init --offline")
	for _, step := range []struct{ shows, answer string }{
		{"Mail address:", address}, {"POP3 server (host or host:port):", server},
		{"User name [" + address + "]:", user}, {"Name of the account [example]:", ""},
	} {
		term.await(step.shows)
		term.enter(step.answer)
	}
	term.awaitChoice("Where should the mail go?")
	term.enter("")
	term.awaitChoice("Where is the password kept?")
	term.enter("")
	term.await("Password for " + user + ":")
	term.enter(password)
}

// TestInitCorrects: each answer can be corrected, the likeliest is proposed, and
// a draft that is stopped leaves nothing.
func TestInitCorrects(t *testing.T) {
	t.Parallel()
	drop := dropOf(letters(2))
	s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.STLS})
	defer s.Close()
	term := newTerminal(t, 120, 80)
	ca, err := s.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(term.home, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	startInit(term, "localhost:1", "bob", "wrong")
	choose := func(n, ask, answer string) { // of the menu, and one question
		t.Helper()
		term.enter(n)
		term.await(ask)
		term.enter(answer)
	}
	screen := term.awaitChoice("What now?")
	wantAll(t, screen, "FAIL  tcp", "  1) change the server: localhost, port 1\n  2) try again\n", "9) stop, and write nothing")
	choose("1", "POP3 server (host or host:port) [localhost:1]:", "localhost:"+port)
	term.await("User name [bob]:")
	term.enter("alice")
	screen = term.awaitChoice("What now?")
	wantAll(t, screen, "FAIL  tls", "  1) change TLS: TLS from the start, authorities of this system trusted\n")
	choose("1", "Number [1]:", "2")
	term.awaitChoice("How is the certificate of the server verified?")
	term.enter("2")
	term.await("File:")
	term.enter("file")
	term.awaitChoice("holds no PEM certificate")
	choose("1", "How is the connection secured?\n  1) TLS by STLS, usually on port 110\n  2) TLS from the start, usually on port 995\n"+
		"  3) no TLS, usually on port 110\nNumber [1]:", "")
	term.awaitChoice("How is the certificate of the server verified?")
	choose("2", "File:", ca)
	screen = term.awaitChoice("What now?")
	wantAll(t, screen, "FAIL  login", "  1) try another password\n", ") change TLS: TLS by STLS, certificates in "+ca+" trusted\n")
	choose("1", "Password for alice:", "secret")
	screen = term.await("config.yaml? (y/n) [y]:")
	wantAll(t, screen, "tls: stls", "ca_file: ~/ca.pem", "user: alice", "file: ~/.config/mailhaul/passwords/example",
		"- maildir: ~/Mail/example")
	wantNothing(t, term)
	choose("n", "Number [1]:", "5") // the target
	screen = term.awaitChoice("Where should the mail go?")
	term.enter("3")
	term.await("Target:")
	term.enter("file")
	term.await("Target:")
	wantAll(t, term.screen(), "is a file and no Maildir: write mbox:file if it is an mbox")
	choose("mbox", "Target:", "Here")
	wantAll(t, term.await("config.yaml? (y/n) [y]:"), "- maildir: ~/Here")
	choose("n", "Number [1]:", "4") // the login
	term.awaitChoice("Where is the password kept?")
	term.enter("3")
	wantAll(t, term.awaitChoice("Keep the password"), "keyring: ", "Keep the password in a file")
	choose("2", "Command:", "echo secret")
	wantAll(t, term.await("config.yaml? (y/n) [y]:"), "password: {command: [echo, secret]}")
	choose("n", "Number [1]:", "6") // the name
	term.await("Name of the account [example]:")
	term.enter("work")
	wantAll(t, term.await("config.yaml? (y/n) [y]:"), "  work:\n")
	wantNothing(t, term)
	choose("n", "Number [1]:", "7")
	wantAll(t, term.await("\n$ "), "mailhaul: cancelled; nothing was written")
	wantNothing(t, term)
}

// TestInitTrustsAKey that the test has shown, and writes what was corrected.
func TestInitTrustsAKey(t *testing.T) {
	t.Parallel()
	s := pop3test.NewServer(dropOf(letters(2)), pop3test.Options{})
	defer s.Close()
	term := newTerminal(t, 120, 80)
	_, port, _ := net.SplitHostPort(s.Addr())
	startInit(term, "localhost:"+port, "alice", "secret")
	term.awaitChoice("What now?")
	term.enter("")
	term.awaitChoice("How is the connection secured?")
	term.enter("")
	term.awaitChoice("How is the certificate of the server verified?")
	term.enter("3")
	term.until(func(s string) bool { return strings.HasSuffix(s, "=]:") }, "the fingerprint")
	term.enter("")
	wantAll(t, term.await("config.yaml? (y/n) [y]:"), "everything works", "pin: \"sha256/")
	term.enter("")
	term.await("--all\n$ ")
	term.clear()
	term.enter("mailhaul fetch")
	wantAll(t, term.await("\n$ "), "2 messages fetched")
	if n := countMaildir(filepath.Join(term.home, "Mail", "example")); n != 2 {
		t.Errorf("%d messages in the Maildir", n)
	}
}

// TestInitAsksAboutTypingErrors in the domain of a provider.
func TestInitAsksAboutTypingErrors(t *testing.T) {
	term := newTerminal(t, 120, 60)
	for answer, want := range map[string]string{"": "alice@gmail.com", "n": "No settings were found for alice@gmal.com"} {
		term.enter("mailhaul init --offline")
		term.await("Mail address:")
		term.enter("alice@gmal.com")
		term.await("Did you mean alice@gmail.com? (y/n) [y]:")
		term.enter(answer)
		wantAll(t, term.until(func(s string) bool {
			return strings.HasSuffix(s, ":") && !strings.HasSuffix(s, "[y]:") || strings.Contains(s, "Use this")
		}, "a question"), want)
		term.command("send-keys", "C-c")
		term.await("\n$ ")
		term.clear()
	}
	code, out := initAt(t, t.TempDir(), "--address", "alice@gmal.com", "--offline", "--yes", "--no-connect", "--server", "pop.example.org")
	if code != 0 {
		t.Error(code, out) // a script means what it says
	}
}
