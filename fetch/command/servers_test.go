package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// lab is one account of one configuration file: what the tests of servers work
// with. Its state is named "lab", so that another server may take the place of
// the first with what is known of its messages.
type lab struct {
	t   *testing.T
	dir string
	env []string // of the program, beside the test's own
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{t: t, dir: t.TempDir()}
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// write puts a file into the lab and returns its path.
func (l *lab) write(name string, data []byte) string {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), data, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return l.path(name)
}

// account writes the configuration: user alice with the Maildir of the lab,
// and the given lines, "key: value" each.
func (l *lab) account(lines ...string) {
	l.t.Helper()
	l.write("config.yaml", []byte(accountYAML("lab", append(append([]string{"id: lab", "user: alice"}, lines...),
		"deliver:\n  - maildir: "+l.path("Maildir")))))
}

// accountYAML is a configuration of one account with the given lines.
func accountYAML(name string, lines []string) string {
	text := "accounts:\n  " + name + ":\n"
	for _, line := range lines {
		text += "    " + strings.ReplaceAll(strings.TrimRight(line, "\n"), "\n", "\n    ") + "\n"
	}
	return text
}

const password = "Pa55-of-alice"

// to are the lines of an account at a pop3test server.
func (l *lab) to(s *pop3test.Server, o pop3test.Options) []string {
	l.t.Helper()
	word := [...]string{pop3test.ImplicitTLS: "implicit", pop3test.STLS: "stls", pop3test.Plain: "none"}[o.Security]
	lines := []string{"server: " + s.Addr(), "tls: " + word}
	if o.Security != pop3test.Plain {
		lines = append(lines, "ca_file: "+l.write("ca.pem", s.RootPEM()))
	}
	return lines
}

// outcome is what one command came to.
type outcome struct {
	code     int
	out, err string
	took     time.Duration
	cpu      time.Duration
	rss      int64 // the most memory it had, in bytes
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d in %s\nout: %s\nerr: %s", o.code, o.took.Round(time.Millisecond), o.out, o.err)
}

func (l *lab) args(args []string) []string {
	return append([]string{"mailhaul", "--config", l.path("config.yaml"), "--state", l.path("state")}, args...)
}

// command is a command in a process of its own: this test binary under the
// program's name (see TestMain).
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.Symlink(self, l.path("mailhaul")); err != nil && !errors.Is(err, os.ErrExist) {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, l.path("mailhaul"), l.args(args)[1:]...)
	cmd.Env = append(os.Environ(), l.env...)
	return cmd
}

// run runs a command to its end. Its CPU time is measured, and on Linux its
// memory: the kernel's figure for a child (ru_maxrss) begins with that of the
// parent, so its own high-water mark is watched.
func (l *lab) run(args ...string) outcome {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := l.command(ctx, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	peak := watchMemory(cmd.Process.Pid)
	_ = cmd.Wait() // the code says it all
	o := outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), err: stderr.String(), took: time.Since(began), rss: peak()}
	o.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if ctx.Err() != nil {
		l.t.Errorf("mailhaul did not end by itself: %s", o)
	}
	return o
}

// child is run, by the name that says where.
func (l *lab) child(args ...string) outcome {
	l.t.Helper()
	return l.run(args...)
}

// watchMemory reads a process's high-water mark of memory, in bytes, every few
// milliseconds until peak is called, which returns the last: 0 where /proc
// does not tell.
func watchMemory(pid int) (peak func() int64) {
	done, result := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var last int64
		for {
			select {
			case <-done:
				result <- last
				return
			case <-tick.C:
				if kib := highWater(pid); kib > 0 {
					last = kib << 10
				}
			}
		}
	}()
	return func() int64 { close(done); return <-result }
}

func highWater(pid int) (kib int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	_, _ = fmt.Sscan(string(rest), &kib)
	return kib
}

// want checks the exit code and that stderr holds each of the texts.
func (l *lab) want(o outcome, code int, texts ...string) {
	l.t.Helper()
	if o.code != code {
		l.t.Errorf("want exit %d: %s", code, o)
	}
	for _, text := range texts {
		if !strings.Contains(o.err, text) {
			l.t.Errorf("stderr lacks %q: %s", text, o)
		}
	}
	wantClean(l.t, o)
}

// wantClean checks that nothing that steers a terminal was printed.
func wantClean(t *testing.T, o outcome) {
	t.Helper()
	for _, text := range []string{o.out, o.err} {
		for i, r := range text {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Errorf("byte 0x%02x reaches the terminal: %q", r, text[max(0, i-40):min(len(text), i+40)])
				return
			}
		}
	}
}

// mail is what the Maildir holds, by content.
func (l *lab) mail() map[[32]byte]int {
	l.t.Helper()
	got := make(map[[32]byte]int)
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(l.path("Maildir"), sub, "*"))
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil {
				l.t.Fatal(err)
			}
			got[sha256.Sum256(b)]++
		}
	}
	return got
}

// wantMail checks that each of the messages was delivered, once, and nothing
// else, and that nothing half done is left.
func (l *lab) wantMail(messages [][]byte) {
	l.t.Helper()
	want := make(map[[32]byte]int)
	for _, m := range messages {
		want[pop3test.Sum(m)]++
	}
	if got := l.mail(); !maps.Equal(got, want) {
		l.t.Errorf("%d different messages delivered, want %d: %v", len(got), len(want), diffSums(got, want))
	}
	if left, _ := filepath.Glob(filepath.Join(l.path("Maildir"), "tmp", "*")); len(left) > 0 {
		l.t.Errorf("left in tmp: %v", left)
	}
}

// wantCount checks how many messages were delivered, none of them twice.
func (l *lab) wantCount(n int) {
	l.t.Helper()
	got := l.mail()
	if len(got) != n {
		l.t.Errorf("%d different messages delivered, want %d", len(got), n)
	}
	for _, times := range got {
		if times != 1 {
			l.t.Errorf("a message was delivered %d times", times)
		}
	}
}

// facts are what the state has on record of the server.
func (l *lab) facts() (f state.Facts) {
	l.t.Helper()
	db, err := state.Open(state.Path(l.path("state"), "lab"), state.Options{ReadOnly: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(v *state.View) error { f = v.Facts(); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return f
}

// letters are n small messages, all different.
func letters(n int) (out [][]byte) {
	for k := 1; k <= n; k++ {
		out = append(out, fmt.Appendf(nil,
			"Message-ID: <%d@example.org>\r\nDate: Mon, 1 Jun 2020 10:00:00 +0000\r\nSubject: number "+
				"%d\r\n\r\n.dot\r\nbody %d\r\n", k, k, k))
	}
	return out
}

// dropOf is a maildrop that holds the messages under the UIDs uid-1, uid-2...
func dropOf(messages [][]byte) *pop3test.Maildrop {
	d := &pop3test.Maildrop{}
	for i, m := range messages {
		d.Add(fmt.Sprintf("uid-%d", i+1), m)
	}
	return d
}

// serve starts a server that ends with the test.
func serve(t *testing.T, d *pop3test.Maildrop, o pop3test.Options) *pop3test.Server {
	t.Helper()
	if o.Password == "" {
		o.Password = password
	}
	s := pop3test.NewServer(d, o)
	t.Cleanup(s.Close)
	return s
}

// subtest is one of many that mostly wait.
type subtest struct {
	name string
	run  func(*testing.T)
}

// together runs subtests beside each other, far more of them than there are
// processors: their time goes into waiting for silent servers.
func together(t *testing.T, cases []subtest) {
	t.Helper()
	slots := make(chan struct{}, 24)
	var wg sync.WaitGroup
	for _, c := range cases {
		slots <- struct{}{}
		wg.Go(func() {
			t.Run(c.name, c.run)
			<-slots
		})
	}
	wg.Wait()
}
