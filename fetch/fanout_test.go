package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// recoverFuncs settle the intents of all kinds.
func recoverFuncs() map[string]deliver.RecoverFunc {
	return map[string]deliver.RecoverFunc{
		maildir.Kind: maildir.Recover, mbox.Kind: mbox.Recover, smtp.Kind: smtp.Recover, pipe.Kind: pipe.Recover,
	}
}

// relay is go-smtp's server: it keeps what it took, by recipient and subject.
type relay struct {
	addr string
	lmtp bool

	mu     sync.Mutex
	rcpt   func(to string) error                 // nil: everybody is welcome
	data   func(to string, message string) error // nil: everything is
	copies map[string]int
	taken  []string // with LF line ends
}

func startRelay(t testing.TB, lmtp bool) *relay {
	t.Helper()
	r := &relay{lmtp: lmtp, copies: make(map[string]int)}
	s := gosmtp.NewServer(r)
	s.LMTP, s.Domain, s.ErrorLog = lmtp, "localhost", quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() { _ = s.Close(); _ = l.Close(); <-ended }) // Close misses a Serve that has not begun
	return r
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// says changes how the relay answers. For an LMTP relay data is asked for each
// recipient, else once, with the first.
func (r *relay) says(rcpt func(to string) error, data func(to, message string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rcpt, r.data = rcpt, data
}

// got returns how often it took each message, as "recipient subject".
func (r *relay) got() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.copies)
}

// bodies are the messages that it took.
func (r *relay) bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

func (r *relay) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &relaySession{relay: r}, nil }

type relaySession struct {
	*relay
	to []string
}

func (s *relaySession) Reset()                                 { s.to = nil }
func (s *relaySession) Logout() error                          { return nil }
func (s *relaySession) Mail(string, *gosmtp.MailOptions) error { return nil }

func (s *relaySession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rcpt != nil {
		if err := s.rcpt(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *relaySession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err == nil {
		err = s.take(s.to[0], string(body))
	}
	for _, to := range s.to[1:] {
		if err == nil {
			s.keep(to, string(body))
		}
	}
	return err
}

func (s *relaySession) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	body, err := io.ReadAll(r)
	for _, to := range s.to {
		if err == nil {
			status.SetStatus(to, s.take(to, string(body)))
		}
	}
	return err
}

func (s *relaySession) take(to, body string) error {
	s.mu.Lock()
	data := s.data
	s.mu.Unlock()
	if data != nil {
		if err := data(to, body); err != nil {
			return err
		}
	}
	s.keep(to, body)
	return nil
}

func (s *relaySession) keep(to, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies[to+" "+subjectOf(body)]++
	s.taken = append(s.taken, strings.ReplaceAll(body, "\r\n", "\n"))
}

// subjectOf finds the Subject of a message with any line ends.
func subjectOf(message string) string {
	_, rest, _ := strings.Cut("\n"+message, "\nSubject: ")
	subject, _, _ := strings.Cut(rest, "\n")
	return strings.TrimRight(subject, "\r")
}

// reply is an answer of a relay.
func reply(code int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.NoEnhancedCode, Message: text}
}

// onSubject answers so for the messages with these subjects.
func onSubject(err error, subjects ...string) func(string, string) error {
	return func(_, body string) error {
		if slices.Contains(subjects, subjectOf(body)) {
			return err
		}
		return nil
	}
}

// closedPort is an address where nobody listens until the test ends.
func closedPort(t testing.TB) string {
	t.Helper()
	addr, release, err := pop3test.ClosedAddr()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
}

// fan is a rig whose messages have the subjects "1", "2", ... and whose targets
// are made anew for each run, as the command does.
type fan struct {
	*rig
	targets func() []Target
}

func newFan(t *testing.T, messages int, o pop3test.Options, targets func(g *fan) []Target) *fan {
	t.Helper()
	g := &fan{rig: newRig(t, &pop3test.Maildrop{}, o)}
	g.targets = func() []Target { return targets(g) }
	g.fetcher.Recover = recoverFuncs()
	g.account.Policy.Keep.None = true
	g.account.SetAside = &Target{ID: "quarantine", Deliverer: maildir.New(maildir.Options{Path: g.path("aside")})}
	for i := range messages {
		g.drop.Add(fmt.Sprintf("uid%d", i+1), numbered(i+1))
	}
	return g
}

func numbered(i int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: %d\r\n\r\nFrom here\r\n.dot\r\n", i, i)
}

func (g *fan) path(name string) string { return filepath.Join(g.dir, name) }

func (g *fan) fetch() Summary {
	g.t.Helper()
	g.account.Targets = g.targets()
	return g.run()
}

func (g *fan) maildirTarget(name string) Target {
	return Target{ID: "maildir:" + g.path(name), Deliverer: maildir.New(maildir.Options{Path: g.path(name)})}
}

func (g *fan) mboxTarget(name string) Target {
	return Target{ID: "mbox:" + g.path(name), Deliverer: mbox.New(mbox.Options{Path: g.path(name), LockTimeout: 50 * time.Millisecond})}
}

// relayTarget delivers to host:port or a unix socket.
func relayTarget(addr string, lmtp bool, to ...string) Target {
	kind, network := "smtp:", "tcp"
	if lmtp {
		kind = "lmtp:"
	}
	if filepath.IsAbs(addr) {
		network = "unix"
	}
	return Target{ID: kind + addr, Deliverer: smtp.New(smtp.Options{
		LMTP: lmtp, Network: network, Address: addr, Security: smtp.NoTLS, To: to, Helo: "localhost", Timeout: 10 * time.Second})}
}

func (r *relay) target(to ...string) Target { return relayTarget(r.addr, r.lmtp, to...) }

// inMaildir returns how often each subject is there.
func (g *fan) inMaildir(name string) map[string]int {
	g.t.Helper()
	got := make(map[string]int)
	for _, sub := range []string{"new", "cur"} {
		files, _ := filepath.Glob(filepath.Join(g.path(name), sub, "*"))
		for _, f := range files {
			got[subjectOf(g.read(f))]++
		}
	}
	return got
}

// inMbox returns how often each subject is there.
func (g *fan) inMbox(name string) map[string]int {
	g.t.Helper()
	got := make(map[string]int)
	for _, m := range strings.Split("\n"+g.read(g.path(name)), "\nFrom ")[1:] {
		got[subjectOf(m)]++
	}
	return got
}

func (g *fan) read(path string) string {
	g.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	return string(b)
}

// entry is what the state holds of a message, and whether it is done.
func (g *fan) entry(uid string) (e state.Entry, failures []state.Failure) {
	g.t.Helper()
	g.view(func(v *state.View) {
		e, _ = v.Get(state.NewKey(uid, 0))
		failures = v.Failures()[state.NewKey(uid, 0)]
	})
	return e, failures
}

// outcomes are the targets with an outcome, in the words of `state show`.
func outcomes(e state.Entry) string {
	var list []string
	for _, o := range e.Outcomes {
		kind, _, _ := strings.Cut(o.Target, ":")
		list = append(list, kind+" "+o.Status.String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// each is one copy of each subject, with a recipient before it for a relay.
func each(prefix string, subjects ...string) map[string]int {
	m := make(map[string]int)
	for _, s := range subjects {
		m[prefix+s] = 1
	}
	return m
}

func (g *fan) wantCopies(what string, got, want map[string]int) {
	g.t.Helper()
	if !maps.Equal(got, want) {
		g.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (g *fan) wantExit(s Summary, want Exit, text string) {
	g.t.Helper()
	if got := ExitOf(s.Err); got != want || text != "" && (s.Err == nil || !strings.Contains(s.Err.Error(), text)) {
		g.t.Errorf("exit %d, want %d with %q: %v", got, want, text, s.Err)
	}
}

// TestRelayDown: two targets go on; what the third lacks is retrieved again for
// it alone, and only then deleted from the server.
func TestRelayDown(t *testing.T) {
	t.Parallel()
	up := startRelay(t, false)
	addr := closedPort(t)
	g := newFan(t, 4, pop3test.Options{}, func(g *fan) []Target {
		third := relayTarget(addr, false, "a@b")
		third.ID = "smtp:relay"
		return []Target{g.maildirTarget("Mail"), g.mboxTarget("box"), third}
	})
	all := []string{"1", "2", "3", "4"}
	s := g.fetch()
	g.wantExit(s, ExitTemp, "smtp "+addr+": connect: connection refused")
	if HintOf(s.Err) == "" || s.Fetched != 0 || s.Deleted != 0 || g.drop.Len() != 4 {
		t.Errorf("%+v, hint %q, %d on the server", s, HintOf(s.Err), g.drop.Len())
	}
	e, _ := g.entry("uid3")
	if got := outcomes(e); e.Done || got != "maildir delivered, mbox delivered" {
		t.Errorf("done %v: %s", e.Done, got)
	}
	asked := g.server.Count("RETR")
	s = g.fetch()
	g.wantExit(s, ExitTemp, "smtp "+addr)
	if n := g.server.Count("RETR") - asked; n != 0 {
		t.Errorf("%d messages were retrieved although nothing wants them", n)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "4 messages are in some targets only") {
		t.Errorf("notes: %q", s.Notes)
	}
	addr = up.addr
	g.wantExit(g.fetch(), ExitOK, "")
	g.wantCopies("relay", up.got(), each("a@b ", all...))
	g.wantCopies("maildir", g.inMaildir("Mail"), each("", all...))
	g.wantCopies("mbox", g.inMbox("box"), each("", all...))
	if e, _ := g.entry("uid3"); !e.Done || g.drop.Len() != 0 {
		t.Errorf("done %v: %s; %d on the server", e.Done, outcomes(e), g.drop.Len())
	}
}

// TestOneMessageDeferred: the rest is done and deleted.
func TestOneMessageDeferred(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	r.says(nil, onSubject(reply(452, "disk full"), "2"))
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
		return []Target{g.maildirTarget("Mail"), r.target("a@b")}
	})
	s := g.fetch()
	g.wantExit(s, ExitData, "1 message failed and stays on the server: smtp "+r.addr+": reply to the message: 452 disk full")
	if s.Fetched != 2 || s.Failed != 1 || g.drop.Len() != 1 {
		t.Errorf("%+v, %d on the server", s, g.drop.Len())
	}
	e, fails := g.entry("uid2")
	if e.Done || outcomes(e) != "maildir delivered" || len(fails) != 1 || fails[0].Count != 1 {
		t.Errorf("done %v: %s; %v", e.Done, outcomes(e), fails)
	}
	r.says(nil, nil)
	if s := g.fetch(); s.Err != nil || s.Fetched != 1 || g.drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
	g.wantCopies("relay", r.got(), each("a@b ", "1", "2", "3"))
	g.wantCopies("maildir", g.inMaildir("Mail"), each("", "1", "2", "3"))
}

// TestMboxLocked: for longer than lock_timeout; the other targets go on.
func TestMboxLocked(t *testing.T) {
	t.Parallel()
	r := startRelay(t, true)
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
		return []Target{g.mboxTarget("box"), g.maildirTarget("Mail"), r.target("a@b")}
	})
	lock := g.path("box.lock")
	if err := os.WriteFile(lock, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := g.fetch()
	g.wantExit(s, ExitTemp, "locked by "+lock+" of process 1 for 50ms")
	if HintOf(s.Err) == "" || g.drop.Len() != 3 {
		t.Errorf("hint %q, %d on the server", HintOf(s.Err), g.drop.Len())
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	g.wantExit(g.fetch(), ExitOK, "")
	for what, got := range map[string]map[string]int{"mbox": g.inMbox("box"), "maildir": g.inMaildir("Mail")} {
		g.wantCopies(what, got, each("", "1", "2", "3"))
	}
	g.wantCopies("lmtp", r.got(), each("a@b ", "1", "2", "3"))
	if g.drop.Len() != 0 {
		t.Errorf("%d on the server", g.drop.Len())
	}
}

// TestAllTargetsBroken: each is named in the error; nothing is lost.
func TestAllTargetsBroken(t *testing.T) {
	t.Parallel()
	addr := closedPort(t)
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
		return []Target{
			relayTarget(addr, false, "a@b"),
			{ID: "pipe:missing", Deliverer: pipe.New(pipe.Options{Command: []string{"/nonexistent/mda"}})},
		}
	})
	s := g.fetch()
	g.wantExit(s, ExitCannotWrite, "/nonexistent/mda")
	g.wantExit(s, ExitCannotWrite, "smtp "+addr)
	if s.Fetched != 0 || g.drop.Len() != 3 {
		t.Errorf("%+v", s)
	}
}

// TestPartialRecipients: a recipient who has a message does not get it again,
// whether the others were put off or the relay gave up on them.
func TestPartialRecipients(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{"452": reply(452, "mailbox full"), "421": reply(421, "going down")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, true)
			r.says(nil, func(to, _ string) error {
				if to == "bob@b" {
					return answer
				}
				return nil
			})
			g := newFan(t, 1, pop3test.Options{}, func(*fan) []Target { return []Target{r.target("alice@b", "bob@b", "carol@b")} })
			if s := g.fetch(); s.Err == nil || g.drop.Len() != 1 {
				t.Errorf("%+v", s)
			}
			_, fails := g.entry("uid1")
			if len(fails) != 1 || !slices.Contains(fails[0].Served, "alice@b") {
				t.Fatalf("failures on record: %+v", fails)
			}
			r.says(nil, nil)
			g.wantExit(g.fetch(), ExitOK, "")
			g.wantCopies("lmtp", r.got(), map[string]int{"alice@b 1": 1, "bob@b 1": 1, "carol@b 1": 1})
			if g.drop.Len() != 0 {
				t.Errorf("%d on the server", g.drop.Len())
			}
		})
	}
}

// TestSameMboxesInOtherOrder: two accounts deliver to the same two files. The
// locks of a batch are held together, so their order must be one.
func TestSameMboxesInOtherOrder(t *testing.T) {
	t.Parallel()
	g := newFan(t, 60, pop3test.Options{}, nil)
	for i := range 60 {
		g.drop.Add(fmt.Sprint("second", i), numbered(100+i))
	}
	first, second := *g.account, *g.account
	second.ID, second.Name = "second", "second"
	box := func(name string) Target {
		return Target{ID: "mbox:" + g.path(name), Deliverer: mbox.New(mbox.Options{Path: g.path(name), LockTimeout: 5 * time.Minute})}
	}
	first.Targets = []Target{box("one"), box("two")}
	second.Targets = []Target{box("two"), box("one")}
	first.Policy.Keep, second.Policy.Keep = plan.Keep{}, plan.Keep{}
	g.fetcher.Batch = 3
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range g.fetcher.Run(ctx, []*Account{&first, &second}) {
		if s.Err != nil || s.Fetched != 120 {
			t.Errorf("%s: %d fetched, %v", s.Account, s.Fetched, s.Err)
		}
	}
	if ctx.Err() != nil {
		t.Error("they waited for each other")
	}
	for _, name := range []string{"one", "two"} {
		for subject, n := range g.inMbox(name) {
			if n != 2 {
				t.Errorf("%s: message %s is there %d times, want 2", name, subject, n)
			}
		}
	}
}

// TestTraceField: exactly one, at the top, well-formed, and the recorded sum is
// of what was delivered.
func TestTraceField(t *testing.T) {
	t.Parallel()
	g := newFan(t, 1, pop3test.Options{}, func(g *fan) []Target { return []Target{g.maildirTarget("Mail"), g.mboxTarget("box")} })
	g.account.Policy.Received = true
	g.fetcher.Now = func() time.Time { return time.Date(2020, 2, 29, 12, 0, 0, 0, time.FixedZone("", -3600)) }
	g.wantExit(g.fetch(), ExitOK, "")
	files, _ := filepath.Glob(filepath.Join(g.path("Mail"), "new", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	text := g.read(files[0])
	me, _ := os.Hostname()
	want := "Received: from [127.0.0.1]\n\tby " + domain(me) + " (mailhaul) with POP3;\n\tSat, 29 Feb 2020 12:00:00 -0100\n"
	body := string(bytes.ReplaceAll(numbered(1), []byte("\r\n"), []byte("\n")))
	if text != want+body {
		t.Errorf("got %q, want %q", text, want+body)
	}
	if e, _ := g.entry("uid1"); e.SHA256 != sha256.Sum256([]byte(text)) || e.Size != int64(len(text)) {
		t.Errorf("the state has another sum or size: %d, want %d", e.Size, len(text))
	}
}

// TestOrderOfParts: one order for all accounts, and files that are locked
// before what may take its time.
func TestOrderOfParts(t *testing.T) {
	t.Parallel()
	g := newFan(t, 0, pop3test.Options{}, nil)
	targets := []Target{relayTarget("a:1", true, "x"), g.mboxTarget("two"), pipeTarget("true", 0), g.mboxTarget("one")}
	var got []string
	parts := make([]*part, len(targets))
	for i := range targets {
		parts[i] = &part{target: &targets[i]}
	}
	slices.SortStableFunc(parts, inOrder)
	for _, p := range parts {
		got = append(got, p.target.ID)
	}
	want := []string{"mbox:" + g.path("one"), "mbox:" + g.path("two"), "lmtp:a:1", "pipe:sh"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
