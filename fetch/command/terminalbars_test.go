package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// manyAccounts writes a configuration of n accounts at one slow server.
func manyAccounts(t *testing.T, term *terminal, n int, faults ...pop3test.Fault) {
	t.Helper()
	drop := &pop3test.Maildrop{}
	for i := range 4 {
		drop.Add(fmt.Sprint("uid-", i), []byte("Subject: x\r\n\r\n"+strings.Repeat("a line of the body\r\n", 200)))
	}
	s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, Delay: 60 * time.Millisecond, NoPipelining: true,
		Faults: faults})
	t.Cleanup(s.Close)
	b := &strings.Builder{}
	fmt.Fprintf(b, "parallel: 16\ndefaults: {server: '%s', tls: none, user: alice, password: secret}\naccounts:\n", s.Addr())
	for i := range n {
		fmt.Fprintf(b, "  account-number-%02d: {id: a%d, deliver: [{maildir: m%d}]}\n", i, i, i)
	}
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// everything is the screen with what scrolled off it.
func (term *terminal) everything() string { return term.command("capture-pane", "-p", "-J", "-S", "-") }

// TestManyBars: fifty accounts, sixteen at a time, in a terminal that is
// smaller than that: each bar stays within its line, and in the end there is
// one summary an account and nothing of the bars.
func TestManyBars(t *testing.T) {
	t.Parallel()
	for _, width := range []int{100, 40} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			term := newTerminal(t, width, 12)
			seen := make(chan struct{})
			manyAccounts(t, term, 50, pop3test.Fault{On: "RETR 4", Always: true, After: 2000, Do: pop3test.Until(seen)})
			term.clear()
			term.enter("mailhaul -c c.yaml fetch; echo do''ne $?")
			term.until(func(s string) bool { return strings.Contains(s, "retriev") }, "a bar")
			for range 10 {
				for _, line := range strings.Split(term.screen(), "\n") {
					if strings.Contains(line, "KiB") && !strings.Contains(line, "fetched") &&
						len([]rune(strings.TrimRight(line, " "))) > width {
						t.Fatalf("a bar takes more than a line: %q", line)
					}
				}
			}
			close(seen)
			term.until(func(s string) bool { return strings.Contains(s, "\ndone 0") }, "done")
			all := term.everything()
			for i := range 50 {
				if n := strings.Count(all, fmt.Sprintf("account-number-%02d: 4 messages fetched", i)); n != 1 {
					t.Errorf("account %d: %d summaries", i, n)
				}
			}
			if strings.Contains(all, "ETA") || strings.Contains(all, "[=") || strings.Contains(all, "retriev") {
				t.Errorf("bars are left:\n%s", all)
			}
		})
	}
}

// TestInterruptSaysThatStateIsSafe, and leaves the terminal in order.
func TestInterruptSaysThatStateIsSafe(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100, 30)
	// All three come as far as that, and none ends before the signal.
	stall := func(nth int) pop3test.Fault { return pop3test.Fault{On: "RETR 4", Nth: nth, Do: pop3test.Stall()} }
	manyAccounts(t, term, 3, stall(1), stall(2), stall(3))
	term.enter("mailhaul -c c.yaml fetch")
	term.until(func(s string) bool { return strings.Count(s, "11.2 KiB / 15.7 KiB") == 3 }, "three bars before the last message")
	term.command("send-keys", "C-c")
	wantAll(t, term.await("\n$ "), "what was delivered is recorded, nothing was deleted from the server")
	term.enter("echo exit $?")
	term.until(func(s string) bool { return strings.Contains(s, "\nexit 130") }, "exit 130")
	term.clear()
	term.enter("mailhaul -c c.yaml fetch --wait 30s; mailhaul -c c.yaml verify && echo in''tact")
	term.until(func(s string) bool { return strings.Contains(s, "\nintact") }, "intact")
}
