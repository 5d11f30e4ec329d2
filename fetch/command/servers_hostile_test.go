package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// hostile is one row of docs/hostile.md: what a server does, and what comes of
// it.
type hostile struct {
	// does is what the server does, and then what mailhaul does about it.
	does, then string
	// o is the server, plain unless it says otherwise, with the messages
	// (five letters if nil) under uid-1 and so on. Raw replaces it.
	o   pop3test.Options
	tls bool
	raw rawServer
	// messages replaces five letters.
	messages [][]byte
	// uids replaces uid-1 and so on.
	uids []string
	// before, if set, changes the maildrop after a first run against a server
	// in order; it may return more messages, which are there from then on.
	before func(*pop3test.Maildrop) [][]byte
	// slow servers get impatient clients.
	slow bool
	// conf are more lines of the account.
	conf []string
	// exit and says are what the run comes to; says is a part of stderr.
	exit int
	says string
	// got is how many messages the first run delivers.
	got int
	// measured means under 4 s of CPU time and under rss MiB (80 if 0).
	measured bool
	rss      int64
	// left is how many messages stay on the server if conf has deleting.
	left int
}

// Lines of an account. Impatient makes the silence of a server a matter of a
// second, and fair of three: for a server whose other answers are to arrive in
// time beside two dozen tests.
const (
	impatient = "timeouts: {connect: 1s, idle: 1s}"
	fair      = "timeouts: {connect: 3s, idle: 3s}"
	secret    = "password: " + password
)

const deleting = "keep: none"

func esc(s string) string { return "\x1b]0;" + s + "\x07\x1b[31m\x9b2J" }

func faults(f ...pop3test.Fault) pop3test.Options { return pop3test.Options{Faults: f} }

func always(on string, do pop3test.Action) pop3test.Options {
	return faults(pop3test.Fault{On: on, Always: true, Do: do})
}

// noPipelining is o for a server that answers one command at a time.
func noPipelining(o pop3test.Options) pop3test.Options { o.NoPipelining = true; return o }

// stls is o for a server that offers STLS.
func stls(o pop3test.Options) pop3test.Options { o.Security = pop3test.STLS; return o }

// uidl is a server whose UIDL line for message at is another one.
func uidl(at int, line string) pop3test.Options {
	return pop3test.Options{UIDLLine: func(num int, uid string) string {
		if num == at {
			return line
		}
		return fmt.Sprintf("%d %s", num, uid)
	}}
}

func list(at int, line string) pop3test.Options {
	return pop3test.Options{ListLine: func(num int, size int64) string {
		if num == at {
			return line
		}
		return fmt.Sprintf("%d %d", num, size)
	}}
}

func sized(n int64) pop3test.Options {
	return pop3test.Options{Size: func(int, int64) int64 { return n }}
}

// TestHostileServers plays each row, then lets a server that is in order take
// over the maildrop: whatever happened, each message is there exactly once.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	var cases []subtest
	for _, h := range hostiles() {
		cases = append(cases, subtest{h.does, h.play})
	}
	together(t, cases)
}

func (h hostile) play(t *testing.T) {
	l := newLab(t)
	messages := h.messages
	if messages == nil {
		messages = letters(5)
	}
	drop := dropOf(messages)
	if h.uids != nil {
		drop.Rename(func(uid string) string {
			n, _ := strconv.Atoi(strings.TrimPrefix(uid, "uid-"))
			return h.uids[n-1]
		})
	}
	if h.before != nil {
		good := pop3test.Options{Security: pop3test.Plain}
		l.account(append(l.to(serve(t, drop, good), good), secret)...)
		l.want(l.run("fetch"), 0)
		messages = append(messages, h.before(drop)...)
	}
	o := h.o
	if o.Security == pop3test.ImplicitTLS && !h.tls {
		o.Security = pop3test.Plain
	}
	var lines []string
	if h.raw != nil {
		lines = []string{"server: " + h.raw.start(t), "tls: none"}
		if h.tls {
			lines[1] = "tls: implicit"
		}
	} else {
		lines = l.to(serve(t, drop, o), o)
	}
	lines = append(lines, secret)
	switch {
	case h.slow && h.got > 0:
		lines = append(lines, fair)
	case h.slow:
		lines = append(lines, impatient)
	}
	l.account(append(lines, h.conf...)...)
	if h.measured && raceDetector {
		t.Skip("the race detector multiplies memory and time")
	}
	out := l.run("fetch")
	l.want(out, h.exit, h.says)
	l.wantCount(h.got)
	if !h.measured && out.took > 20*time.Second { // what is measured has work to do: how long that takes is up to the machine
		t.Errorf("took %s", out.took)
	}
	if len(out.err) > 4<<10 {
		t.Errorf("%d bytes on stderr", len(out.err))
	}
	if limit := max(h.rss, 80) << 20; h.measured && (out.rss > limit || out.cpu > 4*time.Second) {
		t.Errorf("%d MiB of memory, %s of CPU time", out.rss>>20, out.cpu)
	}
	left := len(messages)
	if slices.Contains(h.conf, deleting) {
		left = h.left
	}
	if drop.Len() != left {
		t.Errorf("%d messages left on the server, want %d", drop.Len(), left)
	}
	h.recover(t, l, drop, messages)
}

// recover fetches from a server that is in order, twice.
func (h hostile) recover(t *testing.T, l *lab, drop *pop3test.Maildrop, messages [][]byte) {
	good := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, drop, good)
	l.account(append(l.to(s, good), secret)...)
	if out := l.run("fetch"); out.code != 0 {
		t.Errorf("a well-behaved server: %s", out)
	}
	l.wantMail(messages)
	retrieved := s.Count("RETR")
	if out := l.run("fetch"); out.code != 0 || s.Count("RETR") != retrieved {
		t.Errorf("the last run fetched again: %s", out)
	}
}

// TestHostileTable compares docs/hostile.md with the table. With
// MAILHAUL_UPDATE=1 it is rewritten.
func TestHostileTable(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- table: TestHostileTable -->\n", "<!-- end of table -->\n"
	var b strings.Builder
	b.WriteString(begin + "| the server | mailhaul | exit |\n|---|---|---|\n")
	for _, h := range hostiles() {
		then := h.then
		if h.says != "" {
			then += fmt.Sprintf(" (“%s”)", h.says)
		}
		fmt.Fprintf(&b, "| %s | %s | %d |\n", cell(h.does), cell(then), h.exit)
	}
	b.WriteString(end)
	path := filepath.Join("..", "..", "docs", "hostile.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(old, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s has no table", path)
	}
	now := string(head) + b.String() + string(tail)
	if now == string(old) {
		return
	}
	if os.Getenv("MAILHAUL_UPDATE") == "" {
		t.Fatalf("%s is not what the tests show: run this test with MAILHAUL_UPDATE=1", path)
	}
	if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
		t.Fatal(err)
	}
}

func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
