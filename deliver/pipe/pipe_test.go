//go:build unix

package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
	"github.com/mailhaul/mailhaul/deliver/spool"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a command that keeps each message in a file of its own, in order,
// and whole or not at all.
const store = `cat > "$0/.$$" && mv "$0/.$$" "$0/$(date +%s%N).$$"`

func TestConformance(t *testing.T) {
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, dir string) delivertest.Target {
			return delivertest.Target{
				Deliverer: New(Options{Command: []string{"sh", "-c", store, dir}}),
				Read: func(t testing.TB) (out [][]byte) {
					files, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range files {
						if strings.HasPrefix(f.Name(), ".") {
							continue
						}
						b, err := os.ReadFile(filepath.Join(dir, f.Name()))
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, b)
					}
					return out
				},
			}
		},
		Recover:   deliver.GiveUp,
		InDir:     true,
		Uncertain: true,
		Ordered:   true,
	})
}

func deliverOne(t testing.TB, ctx context.Context, o Options, e deliver.Envelope, body string) deliver.Result {
	t.Helper()
	d := New(o)
	defer d.Close()
	b, err := d.Begin(ctx)
	if err != nil {
		return deliver.Result{Err: err}
	}
	if err := b.Add(ctx, e, strings.NewReader(body)); err != nil {
		t.Fatal("add:", err)
	}
	if _, err := b.Prepare(ctx); err != nil {
		t.Fatal("prepare:", err)
	}
	return b.Publish(ctx)[0]
}

func describe(r deliver.Result) string {
	var e *deliver.Error
	if !errors.As(r.Err, &e) {
		return "ok"
	}
	classes := map[deliver.Class]string{deliver.Later: "later", deliver.Never: "never", deliver.Unavailable: "unavailable",
		deliver.CannotCreate: "cannot create", deliver.Failed: "failed", deliver.IOError: "I/O error"}
	return classes[e.Class] + ": " + e.Error()
}

// TestVerdict is the table of the package comment.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for status := -1; status < 256; status++ {
		want := deliver.Failed
		switch {
		case slices.Contains([]int{69, 71, 74, 75}, status):
			want = deliver.Later
		case slices.Contains([]int{65, 77}, status):
			want = deliver.Never
		case slices.Contains([]int{64, 67, 68, 72, 73, 78, 126, 127}, status):
			want = deliver.CannotCreate
		}
		if got := verdict(status, true, ""); got != want {
			t.Errorf("status %d: class %d, want %d", status, got, want)
		}
		if status == 67 || status == 68 {
			want = deliver.Never
		}
		if got := verdict(status, false, ""); got != want {
			t.Errorf("status %d, recipient from the header: class %d, want %d", status, got, want)
		}
	}
	if got := verdict(77, true, "maildrop: maildir over Quota."); got != deliver.Later {
		t.Errorf("over quota: class %d", got)
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	notExecutable := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(notExecutable, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	noInterpreter := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(noInterpreter, []byte("#!/does/not/exist\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcde\n", 1<<15)
	tests := []struct {
		name    string
		command []string
		body    string
		want    string
	}{
		{"ok", sh("cat >/dev/null"), large, "ok"},
		{"missing", []string{"/does/not/exist"}, "", "cannot create: pipe /does/not/exist: "},
		{"missing in PATH", []string{"does-not-exist"}, "", "cannot create: pipe does-not-exist: "},
		{"not executable", []string{notExecutable}, "", "cannot create: "},
		{"no interpreter", []string{noInterpreter}, "", "cannot create: "},
		{"empty", nil, "", "cannot create: pipe: no command"},
		{"75", sh("cat >/dev/null; echo try later >&2; exit 75"), "x\n", "later: pipe sh: exit status 75 (EX_TEMPFAIL): try later"},
		{"1", sh("cat >/dev/null; exit 1"), "x\n", "failed: pipe sh: exit status 1"},
		{"67", sh("exit 67"), large, "cannot create: pipe sh: exit status 67 (EX_NOUSER)"},
		{"73", sh("exit 73"), "", "cannot create: pipe sh: exit status 73 (EX_CANTCREAT)"},
		{"not found by the shell", sh("does-not-exist"), "x\n", "cannot create: pipe sh: exit status 127: "},
		{"signal", sh("kill -9 $$"), "x\n", "failed: pipe sh: signal: killed"},
		{"escaped output", sh(`printf 'a\033[2Jb\nc\377\n'; exit 1`), "", `failed: pipe sh: exit status 1: a\x1b[2Jb | c\xff`},
		{"huge output", sh("yes | head -c 10000000; exit 1"), "", "failed: pipe sh: exit status 1: y | y"},
		{"closes stdin early", sh("exec <&-; exit 0"), large, "ok"},
		{"closes stdin early and fails", sh("exec <&-; exit 75"), large, "later: pipe sh: exit status 75"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := describe(deliverOne(t, t.Context(), Options{Command: tc.command}, deliver.Envelope{}, tc.body))
			if !strings.HasPrefix(got, tc.want) || len(got) > 10<<10 {
				t.Errorf("got %.300q, want %q", got, tc.want)
			}
		})
	}
}

func TestEarlyEndIsNoted(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := Options{Command: []string{"true"}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if got := describe(deliverOne(t, t.Context(), o, deliver.Envelope{}, strings.Repeat("x\n", 1<<20))); got != "ok" {
		t.Error(got)
	}
	if !strings.Contains(log.String(), "without reading the whole message") {
		t.Errorf("log: %s", log.String())
	}
}

// TestTimeout: the whole process group ends, also what ignores SIGTERM and
// holds our pipes.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"child":           `echo $$ > "$0"; exec sleep 60`,
		"grandchild":      `sleep 60 & echo $! > "$0"; wait`,
		"stubborn":        `trap "" TERM; echo $$ > "$0"; while :; do sleep 60; done`,
		"stubborn orphan": `(trap "" TERM; sleep 60) & echo $! > "$0"; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			o := Options{Command: []string{"sh", "-c", script, pidFile}, Timeout: 300 * time.Millisecond, Grace: 100 * time.Millisecond}
			for b := []byte(nil); len(b) == 0 && o.Timeout < 10*time.Second; o.Timeout *= 2 { // a busy machine may be too slow
				got := describe(deliverOne(t, t.Context(), o, deliver.Envelope{}, "x\n"))
				if !strings.HasPrefix(got, fmt.Sprintf("failed: pipe sh: not done after %s; the message may have been delivered",
					o.Timeout)) {
					t.Errorf("got %q", got)
				}
				b, _ = os.ReadFile(pidFile)
			}
			checkGone(t, pidFile)
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for {
			if b, _ := os.ReadFile(pidFile); len(b) > 0 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	o := Options{Command: []string{"sh", "-c", `echo $$ > "$0"; exec sleep 60`, pidFile}}
	got := describe(deliverOne(t, ctx, o, deliver.Envelope{}, "x\n"))
	if !strings.HasPrefix(got, "later: pipe sh: interrupted: context canceled") {
		t.Errorf("got %q", got)
	}
	checkGone(t, pidFile)
}

// checkGone waits for the process to be gone: init may take a moment to reap.
func checkGone(t *testing.T, pidFile string) {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && bytes.Contains(stat, []byte(") Z ")) {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// TestLeftBehind: a background process that holds our pipes does not hold us,
// and is not an error.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	o := Options{Command: []string{"sh", "-c", `sleep 60 & echo $! > "$0"`, pidFile}, Grace: 50 * time.Millisecond}
	if got := describe(deliverOne(t, t.Context(), o, deliver.Envelope{}, "x\n")); got != "ok" {
		t.Error(got)
	}
	b, _ := os.ReadFile(pidFile)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	ours := map[string]string{"PATH": "/p", "HOME": "/h", "TZ": "UTC", "MAILHAUL_PASSWORD": "secret", "OTHER": "x"}
	o := &Options{Env: []string{"A=b"}, To: []string{"x@y", "z@y"}}
	e := &deliver.Envelope{Sender: "a\n@b\x00", Account: "work", UID: "\x1b[2J1"}
	want := []string{"PATH=/p", "HOME=/h", "TZ=UTC", "A=b", "SENDER=a@b", "RECIPIENT=x@y,z@y", "MAILHAUL_ACCOUNT=work", "MAILHAUL_UID=[2J1"}
	if diff := cmp.Diff(want, environ(func(k string) string { return ours[k] }, o, e)); diff != "" {
		t.Error(diff)
	}
	e.Recipients = []string{"only@y"}
	if env := environ(func(string) string { return "" }, &Options{},
		e); !slices.Contains(env, "RECIPIENT=only@y") || env[0] != "PATH="+defaultPath {
		t.Error(env)
	}
}

func TestLineEnds(t *testing.T) {
	t.Parallel()
	for ends, want := range map[LineEnds]string{LF: "a\rb\n\nc", CRLF: "a\rb\r\n\r\nc"} {
		file := filepath.Join(t.TempDir(), "out")
		o := Options{Command: []string{"sh", "-c", `cat > "$0"`, file}, LineEnds: ends}
		if res := deliverOne(t, t.Context(), o, deliver.Envelope{}, "a\rb\n\nc"); res.Err != nil {
			t.Fatal(res.Err)
		}
		if got, _ := os.ReadFile(file); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNoSpool: staging that fails is an I/O error, and leaves the batch usable.
func TestNoSpool(t *testing.T) {
	t.Setenv("TMPDIR", "/does/not/exist")
	d := New(Options{Command: []string{"cat"}})
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"x\n", strings.Repeat("x\n", spool.Memory)} {
		err = b.Add(t.Context(), deliver.Envelope{}, iotest.HalfReader(strings.NewReader(body)))
		var e *deliver.Error
		if !errors.As(err, &e) || e.Class != deliver.IOError || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes: got %#v", len(body), err)
		}
	}
	if res := b.Publish(t.Context()); len(res) != 0 {
		t.Errorf("%+v", res)
	}
}

// TestInputIsAFile: a pipe would end early if we were killed, and the command
// would deliver half a message.
func TestInputIsAFile(t *testing.T) {
	t.Parallel()
	d := New(Options{Command: []string{program(t, "sh"), "-c", `test -f /dev/stdin && test "$(wc -c)" -eq 200000`}})
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(t.Context(), deliver.Envelope{}, strings.NewReader(strings.Repeat("x\n", 100000))); err != nil {
		t.Fatal(err)
	}
	if res := b.Publish(t.Context()); res[0].Err != nil {
		t.Error(res[0].Err)
	}
}

// program finds a program, or skips the test.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s is not installed, and MAILHAUL_REQUIRE_ALL is set", names[0])
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

// TestAgents delivers through real delivery agents into Maildirs.
func TestAgents(t *testing.T) {
	const body = "From: carol@example.org\nSubject: hello\n\nFrom here\n.\nend\n"
	env := deliver.Envelope{Account: "work", UID: "1", HasSender: true, Sender: "carol@example.org"}
	home := t.TempDir()
	t.Setenv("HOME", home)
	maildir := filepath.Join(home, "Maildir")
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(maildir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	agents := map[string]func(t *testing.T) []string{
		"procmail": func(t *testing.T) []string {
			return []string{program(t, "procmail"), "-m", write("procmailrc", "MAILDIR="+home+"\nDEFAULT="+maildir+"/\n")}
		},
		"maildrop": func(t *testing.T) []string {
			return []string{program(t, "maildrop"), write("filter", "to \""+maildir+"\"\n")}
		},
		"dovecot-lda": func(t *testing.T) []string {
			lda := program(t, "/usr/lib/dovecot/dovecot-lda", "/usr/libexec/dovecot/dovecot-lda", "dovecot-lda")
			d := pop3test.StartDovecot(t, pop3test.DovecotOptions{})
			maildir = d.Maildir("alice")
			return []string{lda, "-c", filepath.Join(d.Dir, "dovecot.conf"), "-d", "alice", "-f", "carol@example.org"}
		},
	}
	for _, name := range []string{"procmail", "maildrop", "dovecot-lda"} {
		t.Run(name, func(t *testing.T) {
			before := count(maildir, body)
			command := agents[name](t)
			if name == "dovecot-lda" {
				before = 0
			}
			if res := deliverOne(t, t.Context(), Options{Command: command}, env, body); res.Err != nil {
				t.Fatal(res.Err)
			}
			if n := count(maildir, body) - before; n != 1 {
				t.Errorf("delivered %d times", n)
			}
		})
	}
}

// count counts the messages of a Maildir that end in body.
func count(maildir, body string) (n int) {
	files, _ := filepath.Glob(filepath.Join(maildir, "new", "*"))
	for _, f := range files {
		if got, err := os.ReadFile(f); err == nil && strings.HasSuffix(string(got), body) {
			n++
		}
	}
	return n
}

// TestOneUnknown: a command that has taken a message works as configured; what
// it refuses then, it refuses for what it is.
func TestOneUnknown(t *testing.T) {
	t.Parallel()
	d := New(Options{Command: []string{"sh", "-c", `grep -q good || exit 67`}})
	for _, tc := range [][2]string{{"bad\n", "cannot create: "}, {"good\n", "ok"}, {"bad\n", "never: "}} {
		b, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(t.Context(), deliver.Envelope{}, strings.NewReader(tc[0])); err != nil {
			t.Fatal(err)
		}
		if got := describe(b.Publish(t.Context())[0]); !strings.HasPrefix(got, tc[1]) {
			t.Errorf("%q: %s", tc[0], got)
		}
	}
}
