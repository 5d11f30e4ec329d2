package fetch_test

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
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
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

// TestBadReceivers: what goes wrong at the receiver is reported, costs no message
// and gives the right exit code; a good receiver in its place then gets what
// is missing.
func TestBadReceivers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		what, options string // of smtp-sink; or "sh: SCRIPT", or "hangs: SCRIPT"
		exit          fetch.Exit
		text          string
		quarantined   int
	}{
		{"down", "", fetch.ExitTemp, "connection refused", 0},
		{"hangs up at once", "-q CONNECT", fetch.ExitTemp, "greeting: connection closed by the relay", 0},
		{"busy", "-Q CONNECT", fetch.ExitTemp, "greeting: 421", 0},
		{"421 in the middle", "-Q RCPT", fetch.ExitTemp, "RCPT: 421", 0},
		{"hangs up before the final dot", "-q DATA", fetch.ExitTemp, "DATA: connection closed by the relay", 0},
		{"hangs up after the final dot", "-q .", fetch.ExitData,
			"2 messages failed and stay on the server; the first: smtp ADDR: reply to the message: connection closed by the relay; " +
				"the message may have been delivered", 0},
		{"421 after the final dot", "-Q .", fetch.ExitTemp, "reply to the message: 421", 0},
		{"puts off", "-r .", fetch.ExitData, "reply to the message: 450", 0},
		{"puts off the recipient", "-r RCPT", fetch.ExitData, "RCPT <a@b>: 450", 0},
		{"550 on RCPT", "-f RCPT", fetch.ExitCannotWrite, "RCPT <a@b>: 500 5.3.0 Error: command failed", 0},
		{"550 on HELO", "-f EHLO,HELO", fetch.ExitCannotWrite, "EHLO: 500 5.3.0 Error: command failed", 0},
		{"550 on MAIL", "-f MAIL", fetch.ExitCannotWrite, "MAIL: 500 5.3.0 Error: command failed", 0},
		{"puts off the sender", "-r MAIL", fetch.ExitTemp, "MAIL: 450", 0},
		{"550 on the message", "-f .", fetch.ExitData, "refused for good and now in the quarantine", 2},
		{"LMTP puts off", "-L -r .", fetch.ExitData, "reply to the message for <a@b>: 450", 0},
		{"no such command", "sh: missing", fetch.ExitCannotWrite, "/nonexistent/mda: no such file", 0},
		{"exits 75", "sh: echo busy; exit 75", fetch.ExitData, "exit status 75 (EX_TEMPFAIL): busy", 0},
		{"exits 1", "sh: exit 1", fetch.ExitData, "exit status 1", 0},
		{"exits 65", "sh: exit 65", fetch.ExitData, "exit status 65 (EX_DATAERR)", 2},
		{"exits 67", "sh: exit 67", fetch.ExitCannotWrite, "exit status 67 (EX_NOUSER)", 0},
		{"exits 78", "sh: exit 78", fetch.ExitCannotWrite, "exit status 78 (EX_CONFIG)", 0},
		{"hangs", "hangs: sleep 60", fetch.ExitData, "not done after 300ms; the message may have been delivered", 0},
	}
	for _, tc := range tests {
		t.Run(tc.what, func(t *testing.T) {
			t.Parallel()
			good := smtptest.StartRelay(t, false)
			now := fetchtest.TargetAt(good, "a@b")
			addr := ""
			switch kind, script, _ := strings.Cut(tc.options, ": "); {
			case script == "missing":
				now = commit.Target{Deliverer: pipe.New(pipe.Options{Command: []string{"/nonexistent/mda"}})}
			case kind == "sh":
				now = fetchtest.PipeTarget(script, 0)
			case kind == "hangs":
				now = fetchtest.PipeTarget(script, 300*time.Millisecond)
			case tc.options == "":
				addr = fetchtest.ClosedPort(t)
				now = fetchtest.RelayTarget(addr, false, "a@b")
			default:
				addr, _ = startSink(t, tc.options)
				now = fetchtest.RelayTarget(addr, strings.HasPrefix(tc.options, "-L"), "a@b")
			}
			g := fetchtest.NewWithTargets(t, 2, pop3test.Options{},
				func(*fetchtest.Rig) []commit.Target { now.ID = "target"; return []commit.Target{now} })
			s := g.Run()
			g.WantExit(s, tc.exit, strings.ReplaceAll(tc.text, "ADDR", addr))
			if s.Quarantined != tc.quarantined || s.Fetched != 0 || g.Drop.Len() != 2 {
				t.Errorf("%+v, %d on the server", s, g.Drop.Len())
			}
			now = fetchtest.TargetAt(good, "a@b")
			g.WantExit(g.Run(), fetch.ExitOK, "")
			want := fetchtest.Each("a@b ", "1", "2")
			if tc.quarantined > 0 {
				want = map[string]int{}
				g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "1", "2"))
			}
			g.WantCopies("the good relay", good.Copies(), want)
			if left := g.Drop.Len(); left != tc.quarantined {
				t.Errorf("%d on the server, want %d", left, tc.quarantined)
			}
		})
	}
}

// TestCommandThatReadsNothing has the message all the same, if it says so.
func TestCommandThatReadsNothing(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewWithTargets(t, 0, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.PipeTarget("exec 0<&-; exit 0", 0)}
	})
	g.Drop.Add("big", append(fetchtest.Numbered(1), bytes.Repeat([]byte("0123456789\r\n"), 100_000)...))
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
}

// TestUnknownAmongGood: the good recipients have it, once, and new mail too; he
// who is refused has it once the relay knows him.
func TestUnknownAmongGood(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, true)
	r.Answer(func(to string) error {
		if strings.HasPrefix(to, "nobody") {
			return smtptest.Reply(550, "no such user")
		}
		return nil
	}, nil)
	g := fetchtest.NewWithTargets(t, 2, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.TargetAt(r, "alice@b", "nobody@b", "bob@b")}
	})
	for _, want := range []fetch.Exit{fetch.ExitData, fetch.ExitCannotWrite} {
		s := g.Run()
		g.WantExit(s, want, "550 no such user")
		if s.Quarantined != 0 {
			t.Errorf("%+v", s)
		}
		g.WantCopies("lmtp", r.Copies(), map[string]int{"alice@b 1": 1, "alice@b 2": 1, "bob@b 1": 1, "bob@b 2": 1})
	}
	r.Answer(nil, nil)
	g.WantExit(g.Run(), fetch.ExitOK, "")
	g.WantCopies("lmtp", r.Copies(), map[string]int{"alice@b 1": 1, "alice@b 2": 1, "bob@b 1": 1, "bob@b 2": 1, "nobody@b 1": 1,
		"nobody@b 2": 1})
	if g.Drop.Len() != 0 {
		t.Errorf("%d on the server", g.Drop.Len())
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
	command := func(argv ...string) commit.Target {
		return commit.Target{ID: "pipe:" + filepath.Base(argv[0]), Deliverer: pipe.New(pipe.Options{Command: argv})}
	}
	g := fetchtest.NewWithTargets(t, 0, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		lmtp := commit.Target{ID: "lmtp:socket", Deliverer: smtp.New(smtp.Options{
			LMTP: true, Network: "unix", Address: d.LMTPSocket, Security: smtp.NoTLS, To: []string{"alice", "bob"}})}
		return []commit.Target{
			lmtp, fetchtest.RelayTarget(sink, false, "a@b"), g.MboxTarget("box"),
			command(maildrop, g.Path("filter")), command(procmail, "-m", g.Path("rc")),
			command(lda, "-c", filepath.Join(d.Dir, "dovecot.conf"), "-d", "carol"),
		}
	})
	for name, text := range map[string]string{"filter": "to \"" + g.Path("drop") + "\"\n", "rc": "MAILDIR=" + g.Dir + "\nDEFAULT=" +
		g.Path("proc") + "/\n"} {
		if err := os.WriteFile(g.Path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"drop", "proc"} {
		for _, sub := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(g.Path(dir), sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.Drop.AddAll(corpus)
	if s := g.Run(); s.Err != nil || s.Fetched != len(corpus) || g.Drop.Len() != 0 {
		t.Fatalf("%+v, %d on the server", s, g.Drop.Len())
	}
	for what, dir := range map[string]string{
		"Dovecot LMTP, alice": d.Maildir("alice"), "Dovecot LMTP, bob": d.Maildir("bob"), "dovecot-lda": d.Maildir("carol"),
		"maildrop": g.Path("drop"), "procmail": g.Path("proc"),
	} {
		checkEach(t, what, corpus, filesIn(t, filepath.Join(dir, "new", "*")))
	}
	checkEach(t, "smtp-sink", corpus, filesIn(t, filepath.Join(dumps, "*.*")))
	checkPython(t, python, g.Path("box"), corpus)
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
	g := fetchtest.NewWithTargets(t, ours, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{{ID: "mbox", Deliverer: mbox.New(mbox.Options{Path: g.Path("box"), LockTimeout: 30 * time.Second})}}
	})
	g.Fetcher.Batch = 3
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", other, g.Path("box"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := g.Run()
	if err := cmd.Wait(); err != nil || s.Err != nil || s.Fetched != ours || g.Drop.Len() != 0 {
		t.Fatalf("%+v; the other: %v", s, errors.Join(err, ctx.Err()))
	}
	got := g.InMbox("box")
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
