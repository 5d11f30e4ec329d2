//go:build faults

package fetch_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
)

// targetEnv tells the child where to deliver: "KIND ARGUMENT".
const targetEnv = "MAILHAUL_CRASH_TARGET"

// crashTarget is the child's target.
func crashTarget(dir string) deliver.Deliverer {
	kind, arg, _ := strings.Cut(os.Getenv(targetEnv), " ")
	switch kind {
	case "mbox":
		return mbox.New(mbox.Options{Path: filepath.Join(dir, "mbox"), LockTimeout: 5 * time.Second})
	case "smtp", "lmtp", "copies":
		return fetchtest.RelayTarget(arg, kind != "smtp", "a@b").Deliverer
	case "imap":
		return imapTarget(arg, dir)
	case "gmail":
		return gmailTarget(arg, dir)
	case "jmap":
		return jmapTarget(arg, dir)
	case "http":
		return httpTargetOf(arg)
	case "pipe":
		const store = `f=$(mktemp "$0/t.XXXXXXXX") && cat >"$f" && mv "$f" "$f.done"`
		return pipe.New(pipe.Options{Command: []string{"/bin/sh", "-c", store, dir}})
	}
	return maildir.New(maildir.Options{Path: filepath.Join(dir, "Maildir")})
}

// crashKind is a kind of target whose copies can be counted.
type crashKind struct {
	kind string
	// arg is the argument of the child's environment.
	arg string
	// copies returns the messages that are there, with LF line ends.
	copies func(c *crash) []string
	// meddle is what another program does between two runs; may be nil.
	meddle func(c *crash)
	// exact: no duplicates. Else each kill may leave one.
	exact bool
}

func (k *crashKind) env() string {
	if k == nil {
		return ""
	}
	return k.kind + " " + k.arg
}

// verdict compares what is there with what should be.
func (k *crashKind) verdict(c *crash) error {
	got := make(map[[32]byte]int)
	for _, m := range k.copies(c) {
		got[sha256.Sum256([]byte(m))]++
	}
	spare := 0
	for sum := range c.want {
		if got[sum] == 0 {
			return fmt.Errorf("a message is lost; %d different ones are there", len(got))
		}
		spare += got[sum] - 1
	}
	if len(got) != len(c.want) {
		return fmt.Errorf("%d different messages, want %d", len(got), len(c.want))
	}
	if spare > c.kills || k.exact && spare > 0 {
		return fmt.Errorf("%d duplicates after %d kills", spare, c.kills)
	}
	return nil
}

// appendTheirs is another program that appends to the mbox.
func appendTheirs(c *crash) {
	f, err := os.OpenFile(filepath.Join(c.dir, "mbox"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	text := fmt.Sprintf("Subject: theirs %d\n\nbody\n", len(c.want))
	if _, err := f.WriteString("From them@example.org Thu Nov 24 18:22:48 1986\n" + text + "\n"); err != nil {
		c.t.Fatal(err)
	}
	c.want[sha256.Sum256([]byte(text))] = 1
}

var (
	separator = regexp.MustCompile(`(?m)^From .*\n`)
	quoted    = regexp.MustCompile(`(?m)^>(>*From )`)
)

// inMbox reads an mbox as any reader of mboxrd does.
func inMbox(c *crash) (list []string) {
	b, err := os.ReadFile(filepath.Join(c.dir, "mbox"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range separator.Split(string(b), -1)[1:] {
		list = append(list, quoted.ReplaceAllString(strings.TrimSuffix(m, "\n"), "$1"))
	}
	return list
}

func inFiles(c *crash) (list []string) {
	names, _ := filepath.Glob(filepath.Join(c.dir, "t.*.done"))
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, string(b))
	}
	return list
}

// newCrashKind is a crash with another target than a Maildir; a relay is new
// for each.
func newCrashKind(t *testing.T, kind, mutate string) *crash {
	k := &crashKind{kind: kind}
	switch kind {
	case "mbox":
		k.copies, k.meddle, k.exact = inMbox, appendTheirs, true
	case "pipe":
		k.copies = inFiles
	default:
		r := smtptest.StartRelay(t, kind == "lmtp")
		k.arg, k.copies = r.Addr, func(*crash) []string { return r.Bodies() }
	}
	messages := 2
	if kind == "mbox" {
		messages = 4 // one more than a batch
	}
	c := newCrashOf(t, messages, "none", mutate)
	c.target = k
	return c
}

// TestCrashOfTargets kills the fetch at each step, lets another program write,
// and kills the recovery, too: an mbox then has each message once; a relay or a
// command may have been given one twice for each kill. Nothing is ever lost.
func TestCrashOfTargets(t *testing.T) {
	for _, kind := range []string{"mbox", "smtp", "lmtp", "pipe"} {
		t.Run(kind, func(t *testing.T) {
			steps, _ := newCrashKind(t, kind, "").run(0)
			t.Logf("%d steps", len(steps))
			for k := 1; k <= len(steps); k++ {
				t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
					t.Parallel()
					for j := 1; crashKindTwice(t, k, j, func() *crash { return newCrashKind(t, kind, "") }); j++ {
						if !full() {
							j += j + 1 // 1, 4, 10: in the recovery; then behind it
						}
						if !full() && (kind != "mbox" && j > 4 || j > 10) {
							break
						}
					}
				})
			}
		})
	}
}

// crashInRecovery kills at each step, and the recovery after it at some of its steps, or
// at all.
func crashInRecovery(t *testing.T, start func(*testing.T) *crash) {
	steps, _ := start(t).run(0)
	t.Logf("%d steps", len(steps))
	for k := 1; k <= len(steps); k++ {
		t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
			t.Parallel()
			for j := 1; crashKindTwice(t, k, j, func() *crash { return start(t) }); j++ {
				if !full() {
					j += 5
				}
				if !full() && j > 6 {
					break
				}
			}
		})
	}
}

// wantCaught fails unless a kill at some step, the last one first, shows the defect that
// start builds in.
func wantCaught(t *testing.T, start func() *crash) {
	steps, _ := start().run(0)
	for k := len(steps); k >= 1; k-- {
		c := start()
		c.run(k)
		if err := c.rest(); err != nil {
			t.Logf("caught at step %d (%s): %v", k, steps[k-1], err)
			return
		}
	}
	t.Fatal("no step showed the defect")
}

// crashKindTwice kills at step k, and the next run at step j; it reports
// whether that run had as many.
func crashKindTwice(t *testing.T, k, j int, start func() *crash) (killed bool) {
	c := start()
	if _, killed := c.run(k); !killed {
		t.Fatalf("step %d was not reached", k)
	}
	for _, at := range []int{j, 0} {
		if c.target.meddle != nil {
			c.target.meddle(c)
		}
		if at == 0 {
			break
		}
		_, killed = c.run(at)
	}
	if err := c.rest(); err != nil {
		t.Fatalf("killed at %d and then at %d: %v", k, j, err)
	}
	return killed
}

// TestTargetMutationsAreCaught proves that it can fail.
func TestTargetMutationsAreCaught(t *testing.T) {
	for _, mutation := range []string{"no-intents", "no-recovery"} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			steps, _ := newCrashKind(t, "mbox", mutation).run(0)
			for k := 1; k <= len(steps); k++ {
				c := newCrashKind(t, "mbox", mutation)
				c.run(k)
				if err := c.rest(); err != nil {
					t.Logf("caught at step %d (%s): %v", k, steps[k-1], err)
					return
				}
			}
			t.Fatal("no step showed the defect")
		})
	}
}
