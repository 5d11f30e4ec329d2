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

// cmdPOP3 starts a server. Words: msgs=N, size=BYTES of each,
// uid-bytes=N of each (after msgs), stls, plain, nouidl, notop, nocapa,
// nopipelining, exclusive, login-delay=D, delete-late=D, login-error=TEXT, cert=expired,
// cert=wrong-host, cert=self-signed, uids=A,B,C (Go-quoted each), and
// ON|ACTION[|ARG][|always][|done][|after=N][|nth=N] for a fault.
func cmdPOP3(ts *testscript.TestScript, _ bool, args []string) {
	name, words := nameOption(args)
	s := &server{drop: &pop3test.Maildrop{}}
	o := pop3test.Options{CA: pop3test.NewCA()}
	n, uids := 5, []string(nil)
	for _, w := range words {
		key, val, _ := strings.Cut(w, "=")
		switch {
		case strings.Contains(w, "|"):
			o.Faults = append(o.Faults, parseFault(ts, w))
		case key == "msgs":
			n = number(ts, val)
		case key == "uids":
			for _, q := range strings.Split(val, ",") {
				u, err := strconv.Unquote(`"` + q + `"`)
				ts.Check(err)
				uids = append(uids, u)
			}
			n = len(uids)
		case key == "size":
			s.pad = number(ts, val)
		case key == "uid-bytes":
			for i := range n {
				uids = append(uids, fmt.Sprintf("%0*d", number(ts, val), i))
			}
		case key == "exclusive":
			s.drop.Exclusive = true
		default:
			option(ts, &o, key, val)
		}
	}
	// The old one keeps its port until the end: on the same port the account
	// would be the same, and its mail fetched already.
	if old := worldOf(ts).servers[name]; old != nil {
		worldOf(ts).undo = append(worldOf(ts).undo, old.Close)
	}
	s.Server = pop3test.NewServer(s.drop, o)
	s.fill(n, uids)
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

func option(ts *testscript.TestScript, o *pop3test.Options, key, val string) {
	switch key {
	case "stls":
		o.Security = pop3test.STLS
	case "plain":
		o.Security = pop3test.Plain
	case "nouidl":
		o.NoUIDL = true
	case "notop":
		o.NoTOP = true
	case "nocapa":
		o.NoCAPA = true
	case "nopipelining":
		o.NoPipelining = true
	case "login-delay":
		d, err := time.ParseDuration(val)
		ts.Check(err)
		o.LoginDelay = d
	case "delete-late":
		d, err := time.ParseDuration(val)
		ts.Check(err)
		o.DeleteLate = d
	case "login-error":
		o.LoginError = val
	case "cert":
		c := o.CA.SelfSigned("localhost", "127.0.0.1")
		switch val {
		case "expired":
			c = o.CA.Expired("localhost", "127.0.0.1")
		case "wrong-host":
			c = o.CA.WrongHost()
		}
		o.Certificate = &c
	default:
		ts.Fatalf("pop3: no word %q", key)
	}
}

func parseFault(ts *testscript.TestScript, w string) pop3test.Fault {
	parts := strings.Split(w, "|")
	f := pop3test.Fault{On: parts[0]}
	arg := ""
	for _, p := range parts[2:] {
		key, val, _ := strings.Cut(p, "=")
		switch key {
		case "always":
			f.Always = true
		case "done":
			f.Done = true
		case "after":
			f.After = int64(number(ts, val))
		case "uid":
			f.UID = val
		case "nth":
			f.Nth = number(ts, val)
		default:
			arg = p
		}
	}
	text, err := strconv.Unquote(`"` + arg + `"`)
	ts.Check(err)
	switch parts[1] {
	case "cut":
		f.Do = pop3test.Cut()
	case "reset":
		f.Do = pop3test.Reset()
	case "stall":
		f.Do = pop3test.Stall()
	case "err":
		f.Do = pop3test.Err(text)
	case "raw":
		f.Do = pop3test.Raw(text)
	case "append":
		f.Do = pop3test.Append(text)
	case "endless-line":
		f.Do = pop3test.EndlessLine()
	case "endless-list":
		f.Do = pop3test.EndlessList()
	case "endless-body":
		f.Do = pop3test.EndlessBody()
	case "hang-up-on-pipelining":
		f.Do = pop3test.HangUpOnPipelining()
	case "drip":
		d, err := time.ParseDuration(text)
		ts.Check(err)
		f.Do = pop3test.Drip(d)
	default:
		ts.Fatalf("pop3: no action %q", parts[1])
	}
	return f
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
		msg := fmt.Appendf(nil, "Message-ID: <%d@example.org>\r\nDate: Mon, %d Jun 2020 10:00:00 +0000\r\nSubject: number %d\r\n\r\n.dot\r\nbody %d\r\n", k, 1+k%28, k, k)
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
