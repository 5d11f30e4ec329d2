package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// startSink starts Postfix's smtp-sink and returns its unix socket: a free port
// might be taken before it listens. DIR in its options is a directory that it
// may write to.
func startSink(t testing.TB, options string) (addr, dir string) {
	t.Helper()
	sink := pop3test.Require(t, "smtp-sink")
	dir, err := os.MkdirTemp("", "sink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	args := strings.Fields(strings.ReplaceAll(options, "DIR", dir))
	if os.Getuid() == 0 { // it refuses to stay root
		args = append(args, "-u", "nobody")
		_ = os.Chmod(dir, 0o777)
	}
	addr = filepath.Join(dir, "s")
	cmd := exec.Command(sink, append(args, "unix:"+addr, "64")...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", addr)
		if err == nil {
			_ = c.Close()
			return addr, dir
		}
		if time.Now().After(end) {
			t.Fatal("smtp-sink does not listen")
		}
	}
}

// pipeTarget runs a command line of sh, for 5 minutes if timeout is 0.
func pipeTarget(script string, timeout time.Duration) Target {
	return Target{ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{Command: []string{"/bin/sh", "-c", script},
		Timeout: timeout, Grace: timeout / 3})}
}

// TestBadReceivers: what goes wrong at the receiver is told, costs no message
// and gives the right exit code; a good receiver in its place then gets what
// is missing.
func TestBadReceivers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		what, options string // of smtp-sink; or "sh: SCRIPT", or "hangs: SCRIPT"
		exit          Exit
		text          string
		aside         int
	}{
		{"down", "", ExitTemp, "connection refused", 0},
		{"hangs up at once", "-q CONNECT", ExitTemp, "greeting: connection closed by the relay", 0},
		{"busy", "-Q CONNECT", ExitTemp, "greeting: 421", 0},
		{"421 in the middle", "-Q RCPT", ExitTemp, "RCPT: 421", 0},
		{"hangs up before the final dot", "-q DATA", ExitTemp, "DATA: connection closed by the relay", 0},
		{"hangs up after the final dot", "-q .", ExitData, "2 messages failed and stay on the server; the first: smtp ADDR: reply to the message: connection closed by the relay; the message may have been delivered", 0},
		{"421 after the final dot", "-Q .", ExitTemp, "reply to the message: 421", 0},
		{"puts off", "-r .", ExitData, "reply to the message: 450", 0},
		{"puts off the recipient", "-r RCPT", ExitData, "RCPT <a@b>: 450", 0},
		{"550 on RCPT", "-f RCPT", ExitCannotWrite, "RCPT <a@b>: 500 5.3.0 Error: command failed", 0},
		{"550 on HELO", "-f EHLO,HELO", ExitCannotWrite, "EHLO: 500 5.3.0 Error: command failed", 0},
		{"550 on MAIL", "-f MAIL", ExitCannotWrite, "MAIL: 500 5.3.0 Error: command failed", 0},
		{"puts off the sender", "-r MAIL", ExitTemp, "MAIL: 450", 0},
		{"550 on the message", "-f .", ExitData, "refused for good and now in the quarantine", 2},
		{"LMTP puts off", "-L -r .", ExitData, "reply to the message for <a@b>: 450", 0},
		{"no such command", "sh: missing", ExitCannotWrite, "/nonexistent/mda: no such file", 0},
		{"exits 75", "sh: echo busy; exit 75", ExitData, "exit status 75 (EX_TEMPFAIL): busy", 0},
		{"exits 1", "sh: exit 1", ExitData, "exit status 1", 0},
		{"exits 65", "sh: exit 65", ExitData, "exit status 65 (EX_DATAERR)", 2},
		{"exits 67", "sh: exit 67", ExitCannotWrite, "exit status 67 (EX_NOUSER)", 0},
		{"exits 78", "sh: exit 78", ExitCannotWrite, "exit status 78 (EX_CONFIG)", 0},
		{"hangs", "hangs: sleep 60", ExitData, "not done after 300ms; the message may have been delivered", 0},
	}
	for _, tc := range tests {
		t.Run(tc.what, func(t *testing.T) {
			t.Parallel()
			good := startRelay(t, false)
			now := good.target("a@b")
			addr := ""
			switch kind, script, _ := strings.Cut(tc.options, ": "); {
			case script == "missing":
				now = Target{Deliverer: pipe.New(pipe.Options{Command: []string{"/nonexistent/mda"}})}
			case kind == "sh":
				now = pipeTarget(script, 0)
			case kind == "hangs":
				now = pipeTarget(script, 300*time.Millisecond)
			case tc.options == "":
				addr = closedPort(t)
				now = relayTarget(addr, false, "a@b")
			default:
				addr, _ = startSink(t, tc.options)
				now = relayTarget(addr, strings.HasPrefix(tc.options, "-L"), "a@b")
			}
			g := newFan(t, 2, pop3test.Options{}, func(*fan) []Target { now.ID = "target"; return []Target{now} })
			s := g.fetch()
			g.wantExit(s, tc.exit, strings.ReplaceAll(tc.text, "ADDR", addr))
			if s.SetAside != tc.aside || s.Fetched != 0 || g.drop.Len() != 2 {
				t.Errorf("%+v, %d on the server", s, g.drop.Len())
			}
			now = good.target("a@b")
			g.wantExit(g.fetch(), ExitOK, "")
			want := each("a@b ", "1", "2")
			if tc.aside > 0 {
				want = map[string]int{}
				g.wantCopies("quarantine", g.inMaildir("aside"), each("", "1", "2"))
			}
			g.wantCopies("the good relay", good.got(), want)
			if left := g.drop.Len(); left != tc.aside {
				t.Errorf("%d on the server, want %d", left, tc.aside)
			}
		})
	}
}

// TestCommandThatReadsNothing has the message all the same, if it says so.
func TestCommandThatReadsNothing(t *testing.T) {
	t.Parallel()
	g := newFan(t, 0, pop3test.Options{}, func(*fan) []Target { return []Target{pipeTarget("exec 0<&-; exit 0", 0)} })
	g.drop.Add("big", append(numbered(1), bytes.Repeat([]byte("0123456789\r\n"), 100_000)...))
	if s := g.fetch(); s.Err != nil || s.Fetched != 1 || g.drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
}

// TestUnknownAmongGood: the good recipients have it, once, and new mail too; he
// who is refused has it once the relay knows him.
func TestUnknownAmongGood(t *testing.T) {
	t.Parallel()
	r := startRelay(t, true)
	r.says(func(to string) error {
		if strings.HasPrefix(to, "nobody") {
			return reply(550, "no such user")
		}
		return nil
	}, nil)
	g := newFan(t, 2, pop3test.Options{}, func(*fan) []Target { return []Target{r.target("alice@b", "nobody@b", "bob@b")} })
	for _, want := range []Exit{ExitData, ExitCannotWrite} {
		s := g.fetch()
		g.wantExit(s, want, "550 no such user")
		if HintOf(s.Err) == "" || s.SetAside != 0 {
			t.Errorf("hint %q; %+v", HintOf(s.Err), s)
		}
		g.wantCopies("lmtp", r.got(), map[string]int{"alice@b 1": 1, "alice@b 2": 1, "bob@b 1": 1, "bob@b 2": 1})
	}
	r.says(nil, nil)
	g.wantExit(g.fetch(), ExitOK, "")
	g.wantCopies("lmtp", r.got(), map[string]int{"alice@b 1": 1, "alice@b 2": 1, "bob@b 1": 1, "bob@b 2": 1, "nobody@b 1": 1, "nobody@b 2": 1})
	if g.drop.Len() != 0 {
		t.Errorf("%d on the server", g.drop.Len())
	}
}

// TestRealReceivers fans a mailbox out to programs that people use.
func TestRealReceivers(t *testing.T) {
	t.Parallel()
	maildrop, procmail, python := pop3test.Require(t, "maildrop"), pop3test.Require(t, "procmail"), pop3test.Require(t, "python3")
	lda := "/usr/lib/dovecot/dovecot-lda"
	if _, err := os.Stat(lda); err != nil {
		lda = pop3test.Require(t, "dovecot-lda")
	}
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{LMTP: true, Users: map[string]string{"alice": "x", "bob": "y", "carol": "z"}})
	sink, dumps := startSink(t, "-d DIR/%M.")
	corpus := pop3test.CorpusOptions{Seed: 3, N: 25, Small: true}.Generate()
	command := func(argv ...string) Target {
		return Target{ID: "pipe:" + filepath.Base(argv[0]), Deliverer: pipe.New(pipe.Options{Command: argv})}
	}
	g := newFan(t, 0, pop3test.Options{}, func(g *fan) []Target {
		lmtp := Target{ID: "lmtp:socket", Deliverer: smtp.New(smtp.Options{
			LMTP: true, Network: "unix", Address: d.LMTPSocket, Security: smtp.NoTLS, To: []string{"alice", "bob"}})}
		return []Target{
			lmtp, relayTarget(sink, false, "a@b"), g.mboxTarget("box"),
			command(maildrop, g.path("filter")), command(procmail, "-m", g.path("rc")),
			command(lda, "-c", filepath.Join(d.Dir, "dovecot.conf"), "-d", "carol"),
		}
	})
	for name, text := range map[string]string{"filter": "to \"" + g.path("drop") + "\"\n", "rc": "MAILDIR=" + g.dir + "\nDEFAULT=" + g.path("proc") + "/\n"} {
		if err := os.WriteFile(g.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"drop", "proc"} {
		for _, sub := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(g.path(dir), sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.drop.AddAll(corpus)
	if s := g.fetch(); s.Err != nil || s.Fetched != len(corpus) || g.drop.Len() != 0 {
		t.Fatalf("%+v, %d on the server", s, g.drop.Len())
	}
	for what, dir := range map[string]string{
		"Dovecot LMTP, alice": d.Maildir("alice"), "Dovecot LMTP, bob": d.Maildir("bob"), "dovecot-lda": d.Maildir("carol"),
		"maildrop": g.path("drop"), "procmail": g.path("proc"),
	} {
		checkEach(t, what, corpus, filesIn(t, filepath.Join(dir, "new", "*")))
	}
	checkEach(t, "smtp-sink", corpus, filesIn(t, filepath.Join(dumps, "*.*")))
	checkPython(t, python, g.path("box"), corpus)
}

// filesIn reads the files of a pattern, with LF line ends.
func filesIn(t *testing.T, pattern string) (list [][]byte) {
	t.Helper()
	names, _ := filepath.Glob(pattern)
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	}
	return list
}

// checkEach: each message is the end of one file; what is before it is what the
// receiver put there.
func checkEach(t *testing.T, what string, sent, got [][]byte) {
	t.Helper()
	if len(got) != len(sent) {
		t.Errorf("%s: %d messages, want %d", what, len(got), len(sent))
	}
	for i, m := range sent {
		want := bytes.TrimRight(pop3test.Canonical(m), "\n")
		n := 0
		for _, g := range got {
			if bytes.HasSuffix(bytes.TrimRight(g, "\n"), want) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: message %d is there %d times (%.60q)", what, i, n, want)
		}
	}
}

// checkPython has Python's mailbox module read the mbox.
func checkPython(t *testing.T, python, path string, sent [][]byte) {
	t.Helper()
	const script = `
import hashlib, mailbox, re, sys
box = mailbox.mbox(sys.argv[1], create=False)
for key in box.iterkeys():
    print(hashlib.sha256(re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(key))).hexdigest())
`
	out, err := exec.Command(python, "-c", script, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	count := make(map[string]int)
	for _, sum := range strings.Fields(string(out)) {
		count[sum]++
	}
	for i, m := range sent {
		sum := sha256.Sum256(pop3test.Canonical(m))
		if n := count[hex.EncodeToString(sum[:])]; n != 1 {
			t.Errorf("Python finds message %d %d times", i, n)
		}
	}
	if len(count) != len(sent) {
		t.Errorf("Python finds %d messages, want %d", len(count), len(sent))
	}
}

// TestBesideAnotherWriter: a program that takes the locks in the other order
// appends a thousand messages to the mbox that we fetch into.
func TestBesideAnotherWriter(t *testing.T) {
	t.Parallel()
	python := pop3test.Require(t, "python3")
	const other = `
import fcntl, os, sys, time
path = sys.argv[1]
for i in range(1000):
    while True:
        try:
            os.close(os.open(path + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
            break
        except FileExistsError:
            time.sleep(0.0005)
    with open(path, "ab") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        f.write(b"From o@example.org Thu Nov 24 18:22:48 1986\nSubject: other%d\n\nx\n\n" % i)
        f.flush()
        fcntl.lockf(f, fcntl.LOCK_UN)
    os.unlink(path + ".lock")
`
	const ours = 300
	g := newFan(t, ours, pop3test.Options{}, func(g *fan) []Target {
		return []Target{{ID: "mbox", Deliverer: mbox.New(mbox.Options{Path: g.path("box"), LockTimeout: 30 * time.Second})}}
	})
	g.fetcher.Batch = 3
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", other, g.path("box"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := g.fetch()
	if err := cmd.Wait(); err != nil || s.Err != nil || s.Fetched != ours || g.drop.Len() != 0 {
		t.Fatalf("%+v; the other: %v", s, errors.Join(err, ctx.Err()))
	}
	got := g.inMbox("box")
	for i := range 1000 {
		if n := got[fmt.Sprint("other", i)]; n != 1 {
			t.Errorf("their message %d is there %d times", i, n)
		}
	}
	for i := range ours {
		if n := got[fmt.Sprint(i+1)]; n != 1 {
			t.Errorf("our message %d is there %d times", i+1, n)
		}
	}
}
