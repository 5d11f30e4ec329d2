package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestCancelledQuestions: Ctrl-C at any question, and Ctrl-D, ends the command, which says so and has written nothing.
func TestCancelledQuestions(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100, 40)
	conf := `accounts:
  one: {server: localhost, user: alice, deliver: [{maildir: ~/Mail}]}
  two: {server: localhost, user: bob, deliver: [{maildir: ~/Mail}]}
  web: {server: pop.gmail.com, user: alice, oauth: {provider: google, client_id: x}, deliver: [{maildir: ~/Mail}]}
`
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	const alice, nothing = "Password for alice at localhost:", "cancelled; nothing was written"
	for _, tt := range []struct{ command, shows, key, says string }{
		{"fetch --from pop3s://alice@localhost --to maildir:Mail", alice, "C-c", nothing},
		{"-c c.yaml fetch one two", alice, "C-c", nothing},
		{"-c c.yaml fetch one two", alice, "C-d", nothing},
		{"-c c.yaml plan two", "Password for bob at localhost:", "C-c", nothing},
		{"-c c.yaml check --connect one", alice, "C-c", nothing},
		{"-c c.yaml verify --server one", alice, "C-c", nothing},
		{"-c c.yaml report one", alice, "C-c", nothing},
		{"-c c.yaml purge one", alice, "C-c", nothing},
		{"-c c.yaml state mark-seen one --all", alice, "C-c", nothing},
		{"-c c.yaml login web --paste", "here:\n>", "C-c", "cancelled; no login was written"},
		{"-c c.yaml login web --paste", "here:\n>", "C-d", "cancelled; no login was written"},
		{"-c c.yaml login web --no-browser", "use --paste ...", "C-c", "cancelled; no login was written"},
		{"init", "Mail address:", "C-c", nothing},
		{"init", "Mail address:", "C-d", nothing},
		{"init --offline --address alice@example.org --server localhost", "Name of the account [example]:", "C-c", nothing},
	} {
		term.enter("mailhaul " + tt.command)
		term.await(tt.shows)
		term.command("send-keys", tt.key)
		screen := term.await("\n$ ")
		wantAll(t, screen, "mailhaul: "+tt.says+"\n")
		for _, never := range []string{"report it", "in between", "interrupt", "hint: ", "no configuration"} {
			if strings.Contains(screen, never) {
				t.Errorf("%s: %q is on the screen:\n%s", tt.command, never, screen)
			}
		}
		term.enter("echo exit $?, $(stty -a | grep -o '[-]*echo ')")
		term.until(func(s string) bool { return strings.Contains(s, "\nexit 130, echo\n") }, "exit 130 and the echo")
		if tt.says != nothing {
			_ = os.RemoveAll(filepath.Join(term.home, ".local")) // the lock of the login
		}
		if left, _ := filepath.Glob(filepath.Join(term.home, "*")); len(left) != 2 {
			t.Errorf("%s: left %v", tt.command, left)
		}
		if left, _ := filepath.Glob(filepath.Join(term.home, ".[cl]*")); len(left) != 0 {
			t.Errorf("%s: left %v", tt.command, left)
		}
		term.clear()
	}
}

// TestPasswordsAreAskedFirst: one after the other, before any of the runs.
func TestPasswordsAreAskedFirst(t *testing.T) {
	t.Parallel()
	one, two := &pop3test.Maildrop{}, &pop3test.Maildrop{}
	one.Add("uid-1", []byte("Subject: x\r\n\r\nbody\r\n"))
	a := pop3test.NewServer(one, pop3test.Options{})
	defer a.Close()
	b := pop3test.NewServer(two, pop3test.Options{CA: a.CA})
	defer b.Close()
	term := newTerminal(t, 120, 40)
	ca, err := a.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	conf := "accounts:\n"
	for i, s := range []*pop3test.Server{a, b} {
		_, port, _ := net.SplitHostPort(s.Addr())
		conf += fmt.Sprintf("  a%d: {server: 'localhost:%s', ca_file: '%s', user: alice, deliver: [{maildir: ~/Mail}]}\n", i, port, ca)
	}
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	term.enter("mailhaul -c c.yaml fetch")
	for n := 1; n <= 2; n++ {
		term.until(func(s string) bool { return strings.Count(s, "Password for alice at localhost:") == n }, "a question")
		term.enter("secret")
	}
	wantAll(t, term.await("\n$ "), "a0: 1 message fetched", "a1: nothing new")
}

// TestPurgeAsks a person at a terminal, whose empty answer is no.
func TestPurgeAsks(t *testing.T) {
	t.Parallel()
	drop := dropOf(letters(3))
	s := pop3test.NewServer(drop, pop3test.Options{})
	defer s.Close()
	term := newTerminal(t, 120, 40)
	ca, err := s.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	conf := fmt.Sprintf("accounts:\n  work: {server: 'localhost:%s', ca_file: '%s', user: alice, password: secret, deliver: "+
		"[{maildir: ~/Mail}]}\n",
		port, ca)
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	const question = "work: 3 on the server, 3 delivered and old enough, 3 of these verified\nDelete 3 messages from the server? (y/n) [n]:"
	term.enter("mailhaul -c c.yaml fetch -q")
	term.await("\n$ ")
	for _, tt := range []struct {
		options, answer, says string
		left                  int
	}{
		{"--dry-run", "", "would delete 3 messages", 3},
		{"", "C-c", "mailhaul: cancelled; nothing was deleted, here or on the server", 3},
		{"-q", "Enter", "mailhaul: cancelled; nothing was deleted, here or on the server", 3},
		{"", "n Enter", "mailhaul: cancelled; nothing was deleted, here or on the server", 3},
		{"2>/dev/null", "", "3 deleted and confirmed", 0},
		{"", "y Enter", "3 deleted and confirmed", 0},
		{"--yes", "", "3 deleted and confirmed", 0},
	} {
		if drop.Len() == 0 {
			for i, m := range letters(3) {
				drop.Add(fmt.Sprintf("%s%s%d", tt.options, tt.answer, i), m)
			}
			term.enter("mailhaul -c c.yaml fetch -q")
			term.await("\n$ ")
		}
		term.clear()
		term.enter("mailhaul -c c.yaml purge work " + tt.options)
		if tt.answer != "" {
			term.await(question)
			term.command(append([]string{"send-keys"}, strings.Fields(tt.answer)...)...)
		}
		screen := term.until(func(s string) bool { return strings.HasSuffix(s, "\n$") }, "the end")
		if wantAll(t, screen, tt.says); strings.Count(screen, "3 on the server") > 1 {
			t.Errorf("the figures are told twice:\n%s", screen)
		}
		if drop.Len() != tt.left {
			t.Errorf("purge %s, %q: %d left", tt.options, tt.answer, drop.Len())
		}
	}
}

// TestClosedTerminal ends a loop that shows its log there, as SIGTERM does.
func TestClosedTerminal(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100, 40)
	conf := "accounts: {one: {server: localhost, user: alice, password: x, every: 1h, tls: none, deliver: [{maildir: ~/Mail}]}}\n"
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	term.enter("(trap : HUP; mailhaul -v -c c.yaml loop; echo $? >code.new; mv code.new code)")
	term.until(func(s string) bool { return strings.Contains(s, "msg=run ") }, "a run")
	term.command("kill-session")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		code, err := os.ReadFile(filepath.Join(term.home, "code"))
		if err == nil && string(code) != "143\n" {
			t.Errorf("exit %s", code)
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the loop never ends")
		}
	}
}
