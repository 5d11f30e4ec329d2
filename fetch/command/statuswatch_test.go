//go:build unix

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// screenOf says whether the alternate screen, the cursor and wrapping are on.
func (term *terminal) screenOf() string {
	return strings.TrimSpace(term.command("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}"))
}

// untilScreen waits for what screenOf says.
func (term *terminal) untilScreen(want string) {
	term.t.Helper()
	term.until(func(string) bool { return term.screenOf() == want }, "alternate screen, cursor, wrapping: "+want)
}

// TestStatusWatchScreen: 300 accounts in a small terminal that changes its size;
// whatever stops or ends it leaves the terminal as it was.
func TestStatusWatchScreen(t *testing.T) {
	t.Parallel()
	const full, normal = "1 0 0", "0 1 1"
	term := newTerminal(t, 80, 24)
	var conf strings.Builder
	conf.WriteString("defaults: {server: 'localhost:1', tls: none, user: alice, password: secret}\naccounts:\n")
	for i := range 300 {
		fmt.Fprintf(&conf, "  account-with-a-long-name-%03d: {id: a%d, deliver: [{maildir: m%d}]}\n", i, i, i)
	}
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	term.enter("mailhaul -c c.yaml fetch -q account-with-a-long-name-250 2>/dev/null >&2; clear; echo what was here")
	term.await("what was here\n$ ")
	watch := "mailhaul -c c.yaml status --watch"
	term.enter(watch)
	more := func(width, height int) string {
		t.Helper()
		term.untilScreen(full)
		fits := regexp.MustCompile(fmt.Sprintf(`(?s)^\d\d:\d\d:\d\d  300 accounts: 0 overdue, 0 running, 1 failed.*\n`+
			`ACCOUNT .*e-250  .*\n\.\.\. and %d more accounts\naccount-with-a-long-name-250: last run: `, 304-height))
		screen := term.until(func(s string) bool { return fits.MatchString(s) }, "the accounts that fit")
		lines := strings.Split(screen, "\n")
		for _, l := range lines {
			if len([]rune(l)) > width {
				t.Errorf("wider than %d: %q", width, l)
			}
		}
		if len(lines) != height {
			t.Errorf("%d lines on %d", len(lines), height)
		}
		return screen
	}
	more(80, 24)
	term.command("resize-window", "-x", "60", "-y", "12")
	more(60, 12)
	term.command("resize-window", "-x", "100", "-y", "30")
	screen := more(100, 30)
	wantAll(t, screen, " NOW\n", "  idle\n")
	if strings.Contains(screen, "?") {
		t.Error("an account that never ran knows no message, and not ?")
	}
	for _, end := range []struct{ keys, says string }{{"C-c", "watch\n$ "}, {"C-\\", "\n$ "}} {
		term.command("send-keys", end.keys)
		term.untilScreen(normal)
		term.await(end.says)
		term.enter("clear; echo what was here")
		term.await("what was here\n$ ")
		term.enter(watch)
		term.untilScreen(full)
	}
	term.command("send-keys", "C-c")
	term.untilScreen(normal)
	wantAll(t, term.await("\n$ "), "what was here\n$ "+watch)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		term.enter("sh -c 'echo $$ >pid; exec " + watch + "'")
		term.untilScreen(full)
		text, err := os.ReadFile(filepath.Join(term.home, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
		term.untilScreen(normal)
	}
	term.enter("exec bash --norc") // a shell with job control
	term.enter(watch)
	term.untilScreen(full)
	term.command("send-keys", "C-z")
	term.untilScreen(normal)
	term.until(func(s string) bool { return strings.Contains(s, "Stopped") }, "Stopped")
	term.enter("fg")
	term.untilScreen(full)
	more(100, 30)
	term.command("send-keys", "C-c")
	term.untilScreen(normal)
}

// TestStatusFrame: those that need a person come first.
func TestStatusFrame(t *testing.T) {
	t.Parallel()
	status := func(name string, change func(*jsonline.Status)) jsonline.Status {
		var s jsonline.Status
		s.Account, s.Known = name, 1
		change(&s)
		return s
	}
	failed := &state.Run{Started: time.Now(), Exit: 69, Error: "no connection"}
	list := []jsonline.Status{
		status("idle", func(*jsonline.Status) {}),
		status("failed", func(s *jsonline.Status) { s.LastRun = failed }),
		status("running", func(s *jsonline.Status) { s.Running, s.Stage = true, "listing" }),
		status("overdue", func(s *jsonline.Status) { s.Overdue = true }),
	}
	lines, err := statusFrame(&call{out: &term.Output{}}, list, 80, 100)
	if err != nil {
		t.Fatal(err)
	}
	var first []string
	for _, l := range lines[2:] {
		first = append(first, strings.Fields(l)[0])
	}
	if got := strings.Join(first, " "); got != "overdue running failed idle overdue: running: failed:" {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	for height := 4; height < 9; height++ {
		lines, err := statusFrame(&call{out: &term.Output{}}, list, 80, height)
		if err != nil || len(lines) > height {
			t.Errorf("%d lines for %d, %v", len(lines), height, err)
		}
	}
}
