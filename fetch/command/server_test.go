package command

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// world is what one script has started.
type world struct {
	servers map[string]*server
	held    *state.DB
	running *exec.Cmd
	undo    []func()
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func (w *world) close() {
	for _, s := range w.servers {
		s.Close()
	}
	if w.held != nil {
		_ = w.held.Close()
	}
	for _, undo := range w.undo {
		undo()
	}
}

// server is one POP3 server and what was put into its maildrop.
type server struct {
	*pop3test.Server
	drop *pop3test.Maildrop
	sent [][]byte
	pad  int // bytes added to each message
}

// nameOption takes -n NAME off the arguments.
func nameOption(args []string) (name string, rest []string) {
	if len(args) > 1 && args[0] == "-n" {
		return args[1], args[2:]
	}
	return "", args
}

func serverOf(ts *testscript.TestScript, args []string) (*server, []string) {
	name, rest := nameOption(args)
	s := worldOf(ts).servers[name]
	if s == nil {
		ts.Fatalf("no server %q", name)
	}
	return s, rest
}

// cmdPOP3 starts a server, as its words say: see startServer.
func cmdPOP3(ts *testscript.TestScript, _ bool, args []string) {
	name, words := nameOption(args)
	s, err := startServer(words)
	ts.Check(err)
	// The old one keeps its port until the end: on the same port the account
	// would be the same, and its mail fetched already.
	if old := worldOf(ts).servers[name]; old != nil {
		worldOf(ts).undo = append(worldOf(ts).undo, old.Close)
	}
	worldOf(ts).servers[name] = s
	_, port, _ := net.SplitHostPort(s.Addr())
	ca := filepath.Join(ts.MkAbs("."), name+"ca.pem")
	ts.Check(os.WriteFile(ca, s.RootPEM(), 0o600))
	if name != "" {
		name += "_"
	}
	ts.Setenv(name+"ADDR", s.Addr())
	ts.Setenv(name+"PORT", port)
	ts.Setenv(name+"CA", ca)
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// fill adds n messages, all different from those before.
func (s *server) fill(n int, uids []string) {
	for i := range n {
		k := len(s.sent) + 1
		msg := fmt.Appendf(nil, "Message-ID: <%d@example.org>\r\nDate: Mon, %d Jun 2020 10:00:00 +0000\r\nSubject: number "+
			"%d\r\n\r\n.dot\r\nbody %d\r\n", k, 1+k%28, k, k)
		for len(msg) < s.pad {
			msg = fmt.Appendf(msg, "line %d of a longer message, which fills the disk\r\n", len(msg))
		}
		uid := fmt.Sprintf("uid-%d", k)
		if uids != nil {
			uid = uids[i]
		}
		s.sent = append(s.sent, msg)
		s.drop.Add(uid, msg)
	}
}

func cmdAdd(ts *testscript.TestScript, _ bool, args []string) {
	s, rest := serverOf(ts, args)
	s.fill(number(ts, rest[0]), nil)
}

func cmdOnServer(ts *testscript.TestScript, _ bool, args []string) {
	s, rest := serverOf(ts, args)
	if got, want := s.drop.Len(), number(ts, rest[0]); got != want {
		ts.Fatalf("%d messages on the server, want %d", got, want)
	}
}

func cmdAsked(ts *testscript.TestScript, _ bool, args []string) {
	s, rest := serverOf(ts, args)
	if got, want := s.Count(rest[0]), number(ts, rest[1]); got != want {
		ts.Fatalf("%d times %s, want %d:\n%s", got, rest[0], want, strings.Join(s.Commands(), "\n"))
	}
}

func cmdDelivered(ts *testscript.TestScript, _ bool, args []string) {
	s, rest := serverOf(ts, args)
	want := make(map[[32]byte]int)
	for _, i := range which(ts, rest[1], len(s.sent)) {
		want[pop3test.Sum(s.sent[i-1])]++
	}
	dir := ts.MkAbs(rest[0])
	got := make(map[[32]byte]int)
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(dir, sub, "*"))
		for _, n := range names {
			b, err := os.ReadFile(n)
			ts.Check(err)
			got[sha256.Sum256(b)]++
		}
	}
	if !maps.Equal(got, want) {
		ts.Fatalf("%d different messages delivered, want %d; %v", len(got), len(want), diffSums(got, want))
	}
	left, _ := filepath.Glob(filepath.Join(dir, "tmp", "*"))
	if allowed := len(rest) > 2; (len(left) > 0) != allowed {
		ts.Fatalf("left in tmp: %v", left)
	}
}

func diffSums(got, want map[[32]byte]int) (lines []string) {
	for sum, n := range got {
		if want[sum] != n {
			lines = append(lines, fmt.Sprintf("%x... is there %d times, want %d", sum[:4], n, want[sum]))
		}
	}
	for sum, n := range want {
		if got[sum] == 0 {
			lines = append(lines, fmt.Sprintf("%x... is missing, want %d", sum[:4], n))
		}
	}
	return lines
}

// which reads "all", "none" or "1-3,5".
func which(ts *testscript.TestScript, s string, n int) (out []int) {
	switch s {
	case "none":
		return nil
	case "all":
		s = fmt.Sprintf("1-%d", n)
	}
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a := number(ts, from)
		b := a
		if isRange {
			b = number(ts, to)
		}
		for i := a; i <= b; i++ {
			out = append(out, i)
		}
	}
	return out
}

// cmdClosedPort sets CLOSED to a port on which nothing listens.
func cmdClosedPort(ts *testscript.TestScript, _ bool, _ []string) {
	addr, release, err := pop3test.ClosedAddr()
	ts.Check(err)
	worldOf(ts).undo = append(worldOf(ts).undo, release)
	_, port, _ := net.SplitHostPort(addr)
	ts.Setenv("CLOSED", port)
}

func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	db, err := state.Open(state.Path(ts.MkAbs(args[0]), os.Expand(args[1], ts.Getenv)), state.Options{})
	ts.Check(err)
	worldOf(ts).held = db
}

func cmdRelease(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(worldOf(ts).held.Close())
	worldOf(ts).held = nil
}

// cmdReleaseSoon lets go while the next command waits for it.
func cmdReleaseSoon(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	held := w.held
	w.held = nil
	done := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { done <- held.Close() })
	ts.Defer(func() { ts.Check(<-done) })
}
