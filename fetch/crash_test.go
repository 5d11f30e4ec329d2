//go:build faults

package fetch_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop2"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// The crash test runs this test binary as a child that fetches a mailbox from
// a server in the parent, kills it at each step, and lets it run again until
// it rests. Each message must then be there once.

const childEnv = "MAILHAUL_CRASH_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(crashChild(dir))
	}
	os.Exit(m.Run())
}

// crashChild is one run of the engine: its whole life is in the environment.
func crashChild(dir string) int {
	host, port, _ := net.SplitHostPort(os.Getenv("MAILHAUL_CRASH_SERVER"))
	num, _ := strconv.Atoi(port)
	a := fetchtest.NewAccount("crash", host, num)
	if user := os.Getenv("MAILHAUL_CRASH_USER"); user != "" {
		a.Server.Logins[0].User = user
	}
	if os.Getenv("MAILHAUL_CRASH_POP2") != "" {
		a.Server.Dial = pop2.Dialer(nil, nil)
	}
	a.Policy.Keep.None = os.Getenv("MAILHAUL_CRASH_KEEP") == "none"
	if strings.HasPrefix(os.Getenv(targetEnv), "copies ") {
		a.Policy.Recipients = sharedRule()
	}
	a.Targets = []commit.Target{{ID: "target", Deliverer: crashTarget(dir)}}
	f := &fetch.Fetcher{
		StateDir: filepath.Join(dir, "state"),
		Batch:    3,
		Recover:  fetchtest.RecoverFuncs(),
		Log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	sums := f.Run(context.Background(), []*fetch.Account{a})
	if err := sums[0].Err; err != nil {
		fmt.Fprintln(os.Stderr, err)
		return int(fetch.ExitOf(err))
	}
	return 0
}

// crash is one mailbox and its fetches.
type crash struct {
	t      *testing.T
	dir    string
	drop   *pop3test.Maildrop
	server crashServer
	keep   string
	pop2   string // not empty: the server's protocol
	user   string // at the server; empty: alice
	mutate string
	want   map[[32]byte]int
	target *crashKind // nil: a Maildir
	kills  int
}

// crashServer is a *pop3test.Server, or one of POP2.
type crashServer interface {
	Addr() string
	Count(command string) int
	Commands() []string
}

func newCrash(t *testing.T, keep, mutate string) *crash { return newCrashOf(t, 7, keep, mutate) }

func newCrashOf(t *testing.T, messages int, keep, mutate string) *crash {
	drop := &pop3test.Maildrop{}
	c := &crash{t: t, dir: t.TempDir(), keep: keep, mutate: mutate, want: make(map[[32]byte]int)}
	for i := range messages {
		msg := crashMessage(i)
		drop.Add(fmt.Sprintf("uid%d", i), msg)
		c.want[pop3test.Sum(msg)] = 1
	}
	server := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain})
	t.Cleanup(server.Close)
	c.drop, c.server = drop, server
	return c
}

func crashMessage(i int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: n%d\r\n\r\n.dot\r\nbody %d\r\n", i, i, i)
}

// run starts a child that is killed at the given step (0: never) and returns
// its steps and whether it was killed.
func (c *crash) run(killAt int) (steps []string, killed bool) {
	c.t.Helper()
	log := filepath.Join(c.dir, "steps")
	_ = os.Remove(log)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+c.dir,
		"MAILHAUL_CRASH_SERVER="+c.server.Addr(), "MAILHAUL_CRASH_KEEP="+c.keep,
		targetEnv+"="+c.target.env(), "MAILHAUL_CRASH_POP2="+c.pop2, "MAILHAUL_CRASH_USER="+c.user,
		"MAILHAUL_FAULT_KILL="+strconv.Itoa(killAt), "MAILHAUL_FAULT_LOG="+log, "MAILHAUL_FAULT_MUTATE="+c.mutate)
	out, err := cmd.CombinedOutput()
	if os.Getenv("MAILHAUL_CRASH_VERBOSE") != "" {
		c.t.Logf("run %d: %v\n%s", killAt, err, out)
	}
	if err != nil {
		ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed = ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
		if !killed {
			c.t.Fatalf("child failed: %v\n%s", err, out)
		}
		c.kills++
	}
	b, err := os.ReadFile(log)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Fields(string(b)), killed
}

// read is a mail reader: it moves every second message that it sees to cur.
func (c *crash) read() {
	names, _ := filepath.Glob(filepath.Join(c.dir, "Maildir", "new", "*"))
	for i, n := range names {
		if i%2 == 0 {
			if err := os.Rename(n, filepath.Join(c.dir, "Maildir", "cur", filepath.Base(n)+":2,S")); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// verdict compares what is there with what should be.
func (c *crash) verdict() error {
	got := make(map[[32]byte]int)
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(c.dir, "Maildir", sub, "*"))
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil {
				return err
			}
			got[sha256.Sum256(b)]++
		}
	}
	for sum := range c.want {
		if got[sum] != 1 {
			return fmt.Errorf("a message is there %d times (%d files)", got[sum], len(got))
		}
	}
	if len(got) != len(c.want) {
		return fmt.Errorf("%d different messages, want %d", len(got), len(c.want))
	}
	return nil
}

// rest runs to the end, then once more: that run must change nothing.
func (c *crash) rest() error {
	c.run(0)
	if err := c.judge(); err != nil {
		return err
	}
	before := c.server.Count("RETR")
	if _, killed := c.run(0); killed {
		return fmt.Errorf("the last run was killed")
	}
	if n := c.server.Count("RETR"); n != before {
		return fmt.Errorf("the last run retrieved %d messages", n-before)
	}
	return c.judge()
}

func (c *crash) judge() error {
	if c.target != nil {
		return c.target.verdict(c)
	}
	return c.verdict()
}

// full reports whether every combination is to be tried.
func full() bool { return os.Getenv("MAILHAUL_CRASH") == "full" }

// TestCrashAtEveryStep kills the fetch at each step, a reader moves files, the
// recovery is killed at each of its steps, too, and the rest runs through.
func TestCrashAtEveryStep(t *testing.T) {
	for _, keep := range []string{"all", "none"} {
		t.Run(keep, func(t *testing.T) {
			steps, _ := newCrash(t, keep, "").run(0)
			t.Logf("%d steps", len(steps))
			for k := 1; k <= len(steps); k++ {
				t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
					t.Parallel()
					crashTwice(t, keep, k)
				})
			}
		})
	}
}

func crashTwice(t *testing.T, keep string, k int) {
	again := 1
	for j := again; ; j++ {
		c := newCrash(t, keep, "")
		if _, killed := c.run(k); !killed {
			t.Fatalf("step %d was not reached", k)
		}
		c.read()
		_, killed := c.run(j)
		if err := c.rest(); err != nil {
			t.Fatalf("killed at %d and then at %d: %v", k, j, err)
		}
		if !killed {
			return // the recovery has fewer steps than j
		}
		if !full() && j >= 4 {
			j += 6
		}
	}
}

// TestMutationsAreCaught proves that the crash test can fail: each defect must
// lose or repeat a message at some step.
func TestMutationsAreCaught(t *testing.T) {
	for _, mutation := range []string{"no-intents", "no-recovery", "link-unlink"} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			steps, _ := newCrash(t, "all", mutation).run(0)
			for k := 1; k <= len(steps); k++ {
				c := newCrash(t, "all", mutation)
				c.run(k)
				c.read()
				if err := c.rest(); err != nil {
					t.Logf("caught at step %d (%s): %v", k, steps[k-1], err)
					return
				}
			}
			t.Fatal("no step showed the defect")
		})
	}
}
