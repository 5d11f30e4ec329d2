package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// terminal is a shell in a terminal of its own (tmux), whose `mailhaul` is this
// test binary, with a home directory of its own.
type terminal struct {
	t    *testing.T
	tmux string
	name string
	home string
	seen strings.Builder // every screen that was waited for
}

func newTerminal(t *testing.T, width, height int) *terminal {
	t.Helper()
	term := &terminal{t: t, tmux: pop3test.Require(t, "tmux"),
		name: fmt.Sprintf("mailhaul-test-%d-%d", os.Getpid(), time.Now().UnixNano()), home: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(term.home, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "mailhaul")); err != nil {
		t.Fatal(err)
	}
	term.command("-f", "/dev/null", "new-session", "-d", "-c", term.home, "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "env", "-i",
		"HOME="+term.home, "PATH="+bin+":/usr/bin:/bin", "TERM=screen", "LANG=C.UTF-8", "TZ=UTC", "PS1=$ ", "HISTFILE=", "sh", "-i")
	t.Cleanup(func() { _ = exec.Command(term.tmux, "-L", term.name, "kill-server").Run() })
	term.await("$ ")
	return term
}

func (term *terminal) command(args ...string) string {
	term.t.Helper()
	out, err := exec.Command(term.tmux, append([]string{"-L", term.name}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// enter types a line.
func (term *terminal) enter(line string) {
	term.t.Helper()
	if line != "" {
		term.command("send-keys", "-l", line)
	}
	term.command("send-keys", "Enter")
}

// screen is what is on the screen now, without trailing blanks.
func (term *terminal) screen() string {
	return strings.TrimRight(term.command("capture-pane", "-p", "-J"), " \n")
}

// await waits until the screen ends with a text and returns it.
func (term *terminal) await(end string) string {
	term.t.Helper()
	return term.until(func(s string) bool { return strings.HasSuffix(s, strings.TrimRight(end, " ")) }, end)
}

// awaitChoice waits for a question with numbers.
func (term *terminal) awaitChoice(question string) string {
	term.t.Helper()
	return term.until(func(s string) bool {
		return strings.Contains(s, question) && strings.HasSuffix(s, "Number [1]:")
	}, question)
}

// until waits for a screen: there is nothing else that a terminal tells.
func (term *terminal) until(ok func(string) bool, what string) string {
	term.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		s := term.screen()
		if ok(s) {
			term.seen.WriteString(s)
			return s
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("the screen never shows %q:\n%s", what, s)
		}
	}
}

// clear empties the screen.
func (term *terminal) clear() {
	term.t.Helper()
	term.enter("clear")
	term.until(func(s string) bool { return strings.TrimSpace(s) == "$" }, "an empty screen")
}

func wantAll(t *testing.T, screen string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(screen, p) {
			t.Errorf("%q is not on the screen:\n%s", p, screen)
		}
	}
}

// TestFirstHour goes from nothing to mail in a Maildir, by hand, against a real
// server with a private authority; the password is wrong at first.
func TestFirstHour(t *testing.T) {
	t.Parallel()
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{})
	d.AddMessages("alice", pop3test.Corpus(1, 12))
	term := newTerminal(t, 110, 70)
	ca, err := d.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	term.enter("mailhaul fetch")
	wantAll(t, term.await("\n$ "), "no configuration at", "hint: Run `mailhaul init`")
	term.clear()
	term.enter("mailhaul init --offline --ca-file " + ca)
	for _, step := range []struct{ shows, answer string }{
		{"Mail address:", "alice@example.org"},
		{"POP3 server (host or host:port):", fmt.Sprintf("localhost:%d", d.TLSPort)},
		{"User name [alice@example.org]:", "alice"},
		{"Name of the account [example]:", "work"},
	} {
		term.await(step.shows)
		term.enter(step.answer)
	}
	term.awaitChoice("Where should the mail go?")
	term.enter("")
	term.awaitChoice("Where is the password kept?")
	term.enter("")
	term.await("Password for alice:")
	term.enter("not-the-secret")
	screen := term.awaitChoice("What now?")
	wantAll(t, screen, "FAIL  login", "User name or password is wrong", "1) try another password")
	if _, err := os.Stat(filepath.Join(term.home, ".config")); err == nil {
		t.Error("something is written before the test went well")
	}
	term.enter("")
	term.await("Password for alice:")
	term.enter("secret")
	screen = term.await("config.yaml? (y/n) [y]:")
	wantAll(t, screen, "everything works", "The first fetch would do this", "fetch 12", "keep: all",
		"password: {file: ~/.config/mailhaul/passwords/work}")
	term.enter("y")
	wantAll(t, term.await("--all\n$ "), "config.yaml written.", "mailhaul fetch work")
	term.clear()
	term.enter("mailhaul fetch")
	wantAll(t, term.until(func(s string) bool { return strings.Contains(s, "12 messages fetched") }, "12 messages fetched"),
		"work: 12 messages fetched")
	term.clear()
	term.enter("mailhaul verify && mailhaul fetch && mailhaul status")
	wantAll(t, term.await("idle\n$ "), "nothing new")
	if n := countMaildir(filepath.Join(term.home, "Mail", "work")); n != 12 {
		t.Errorf("%d messages in the Maildir", n)
	}
	if strings.Contains(strings.ReplaceAll(term.seen.String(), "not-the-secret", ""), "secret\n") ||
		strings.Contains(term.seen.String(), "not-the-secret") {
		t.Error("a password was shown")
	}
}

// TestInterruptedInit: Ctrl-C at the password leaves nothing, and the echo on.
func TestInterruptedInit(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100, 40)
	term.enter("mailhaul init --offline --address alice@example.org --server localhost")
	term.await("Name of the account [example]:")
	term.enter("")
	term.awaitChoice("Where should the mail go?")
	term.enter("")
	term.awaitChoice("Where is the password kept?")
	term.enter("")
	term.await("Password for alice@example.org:")
	term.command("send-keys", "C-c")
	wantAll(t, term.await("\n$ "), "mailhaul: cancelled; nothing was written")
	term.enter("echo exit $?, $(stty -a | grep -o '[-]*echo ')")
	term.until(func(s string) bool { return strings.Contains(s, "\nexit 130, echo\n") }, "exit 130 and the echo")
	left, _ := filepath.Glob(filepath.Join(term.home, ".[cl]*"))
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
