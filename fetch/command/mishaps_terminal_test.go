package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestMessagesOnTerminal: a stopped target is reported once, and loop says at
// Ctrl-C that all is in order.
func TestMessagesOnTerminal(t *testing.T) {
	t.Parallel()
	drop := &pop3test.Maildrop{}
	drop.Add("uid-1", []byte("Subject: x\r\n\r\nbody\r\n"))
	s := pop3test.NewServer(drop, pop3test.Options{})
	defer s.Close()
	term := newTerminal(t, 200, 50)
	ca, err := s.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	for name, target := range map[string]string{"bad.yaml": ca + "/Mail", "good.yaml": term.home + "/Mail"} {
		text := fmt.Sprintf("accounts: {work: {server: 'localhost:%s', ca_file: '%s', user: alice, password: secret, every: 5s, "+
			"deliver: [{maildir: '%s'}]}}\n", port, ca, target)
		if err := os.WriteFile(filepath.Join(term.home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	term.enter("mailhaul -c bad.yaml fetch")
	screen := term.await("goes on from here\n$ ")
	wantAll(t, screen, "mailhaul: work: maildir ", "hint: A part of that path is a file", "mail: this run deleted nothing from the server")
	if strings.Contains(screen, "target stopped") || strings.Count(screen, "not a directory") != 2 { // the error, and the hint
		t.Errorf("told twice:\n%s", screen)
	}
	term.clear()
	term.enter("mailhaul -v -c good.yaml --state other loop")
	term.until(func(s string) bool { return strings.Contains(s, "msg=run ") }, "the end of a run")
	term.command("send-keys", "C-c")
	wantAll(t, term.await("\n$ "), "mailhaul: stopped; what was delivered is recorded, nothing else was deleted from "+
		"the server")
	term.enter("echo exit $?")
	term.until(func(s string) bool { return strings.Contains(s, "\nexit 130") }, "exit 130")
	if drop.Len() != 1 {
		t.Error("the message is gone from the server")
	}
}
