package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// The scripts of package command show what a person sees of a bad server; here
// is what they cannot reach.

// hook is a target that calls fn before each message it takes.
type hook struct {
	deliver.Deliverer
	fn func(deliver.Envelope) error
}

func (h hook) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := h.Deliverer.Begin(ctx)
	return hookedBatch{b, h.fn}, err
}

type hookedBatch struct {
	deliver.Batch
	fn func(deliver.Envelope) error
}

func (b hookedBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if err := b.fn(e); err != nil {
		_, _ = io.Copy(io.Discard, body)
		return err
	}
	return b.Batch.Add(ctx, e, body)
}

// TestStoppedRunBlamesNoMessage: what a cancelled run did not finish is not a
// failure of a message, or three signals would quarantine it.
func TestStoppedRunBlamesNoMessage(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(10)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	plain, taken := g.Account.Targets[0].Deliverer, 0
	g.Account.Targets[0].Deliverer = hook{plain, func(deliver.Envelope) error {
		if taken++; taken == 4 {
			cancel()
		}
		return nil
	}}
	s := g.Fetcher.Run(ctx, []*fetch.Account{g.Account})[0]
	if got := fetch.ExitOf(s.Err); got != fetch.ExitInterrupted {
		t.Errorf("exit %d: %v", got, s.Err)
	}
	if s.Failed != 0 || g.Failures() != 0 {
		t.Errorf("%d messages failed, %d on record", s.Failed, g.Failures())
	}
	if g.Delivered() != s.Fetched || s.Fetched < 3 {
		t.Errorf("%d fetched, %d delivered", s.Fetched, g.Delivered())
	}
	if g.Server.Count("QUIT") != 0 {
		t.Error("a stopped run sent QUIT")
	}
	g.Account.Targets[0].Deliverer = plain
	if s := g.Run(); s.Err != nil || g.Delivered() != 10 {
		t.Errorf("next run: %d delivered, %v", g.Delivered(), s.Err)
	}
}

// TestTargetThatRefusesOne: a message that one of two targets refuses stays on
// the server, the other target gets it once, and only the missing one is tried.
func TestTargetThatRefusesOne(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Account.Policy = plan.Policy{Keep: plan.Keep{None: true}, OnReject: plan.KeepOnServer}
	g.Add(3)
	second := maildir.New(maildir.Options{Path: g.Dir + "/Second"})
	bad := g.Drop.Messages()[1].UID
	refusing := true
	g.Account.Targets = append(g.Account.Targets, commit.Target{ID: "second", Deliverer: hook{second, func(e deliver.Envelope) error {
		if e.UID == bad && refusing {
			return &deliver.Error{Class: deliver.Later, Err: errors.New("not this one")}
		}
		return nil
	}}})
	s := g.Run()
	if fetch.ExitOf(s.Err) != fetch.ExitData || s.Failed != 1 || s.Deleted != 2 || g.Drop.Len() != 1 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
	refusing = false
	if s := g.Run(); s.Err != nil || s.Deleted != 1 || g.Drop.Len() != 0 {
		t.Errorf("second run: %+v, %d left", s, g.Drop.Len())
	}
	if n := g.Delivered(); n != 3 {
		t.Errorf("%d in the first target", n)
	}
	if n := len(sums(t, g.Dir+"/Second")); n != 3 {
		t.Errorf("%d in the second target", n)
	}
}

// TestStateOfNewerVersion: refused, with nothing sent to the server.
func TestStateOfNewerVersion(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(1)
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	path := state.Path(g.Fetcher.StateDir, g.Account.ID)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte("99")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before := g.Server.Connections()
	s := g.Run()
	var version *state.VersionError
	if !errors.As(s.Err, &version) || fetch.ExitOf(s.Err) != fetch.ExitCannotWrite {
		t.Errorf("exit %d: %v", fetch.ExitOf(s.Err), s.Err)
	}
	if g.Server.Connections() != before || g.Delivered() != 1 {
		t.Error("the run went on")
	}
}

// TestEveryCut cuts the connection after each number of bytes of a session,
// and lets it run again: each message is there once, whatever was lost.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprintf("keep=%t", keep), func(t *testing.T) {
			t.Parallel()
			total := sessionBytes(t, keep)
			for at := int64(1); at < total; at += 17 {
				cutAt(t, keep, at)
			}
		})
	}
}

func cutRig(t *testing.T, keep bool) (*fetchtest.Rig, *pop3test.DelayProxy) {
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	for i := range 4 {
		g.Drop.Add("", fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: %d\r\n\r\n%s\r\n", i, i, strings.Repeat(".x\r\n", 20)))
	}
	proxy := pop3test.NewDelayProxy(g.Server.Addr(), 0)
	t.Cleanup(proxy.Close)
	g.Account.Server.Host, g.Account.Server.Port = proxy.Host, proxy.Port
	g.Account.Policy.Keep.None = !keep
	return g, proxy
}

func sessionBytes(t *testing.T, keep bool) int64 {
	g, proxy := cutRig(t, keep)
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	return proxy.Down()
}

func cutAt(t *testing.T, keep bool, at int64) {
	t.Helper()
	g, proxy := cutRig(t, keep)
	want := make(map[[32]byte]int)
	for _, m := range g.Drop.Messages() {
		want[pop3test.Sum(m.Body)]++
	}
	proxy.CutAfter(at)
	s := g.Run()
	if s.Err == nil && at > 0 && !keep && g.Drop.Len() != 0 {
		t.Errorf("cut after %d: no error, but %d messages stay", at, g.Drop.Len())
	}
	for sum, n := range sums(t, g.Dir+"/Maildir") {
		if want[sum] != n {
			t.Errorf("cut after %d: half a message or one twice: %x", at, sum[:4])
		}
	}
	proxy.CutAfter(0)
	if s := g.Run(); s.Err != nil {
		t.Errorf("cut after %d, then: %v", at, s.Err)
	}
	if got := sums(t, g.Dir+"/Maildir"); len(got) != len(want) {
		t.Errorf("cut after %d: %d messages in the end, want %d", at, len(got), len(want))
	}
	if left := g.Drop.Len(); keep && left != 4 || !keep && left != 0 {
		t.Errorf("cut after %d: %d messages on the server", at, left)
	}
}

// TestSilentServerIsLeftInTime: a run ends in bounded time however slowly a server
// answers, and in one line of reason.
func TestSilentServerIsLeftInTime(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"connect", "greeting", "CAPA", "USER", "PASS", "STAT", "UIDL", "LIST", "RETR 1", "QUIT"} {
		for name, do := range map[string]pop3test.Action{"silent": pop3test.Stall(), "an octet a second": pop3test.Drip(time.Second)} {
			if on == "connect" && name != "silent" {
				continue // nothing is sent there
			}
			t.Run(on+"/"+name, func(t *testing.T) {
				t.Parallel()
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
				g.Add(1)
				synctest.Test(t, func(t *testing.T) { slowOn(t, g, on, do) })
			})
		}
	}
}

// slowOn runs in a bubble, whose clock stands still while anybody is busy:
// with a server that needs no network.
func slowOn(t *testing.T, g *fetchtest.Rig, on string, do pop3test.Action) {
	server := pop3test.NewUnstartedServer(g.Drop, pop3test.Options{
		Security: pop3test.Plain, Faults: []pop3test.Fault{{On: on, Always: true, Do: do}}})
	defer server.Close()
	g.Account.Server.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		server.ServeConn(theirs)
		return ours, nil
	}
	g.Account.Server.Idle, g.Account.Server.Connect = 200*time.Millisecond, 200*time.Millisecond
	began := time.Now()
	s := g.Run()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if on == "CAPA" {
		if s.Err != nil || g.Delivered() != 1 {
			t.Errorf("a server that has no CAPA: %v", s.Err)
		}
		return
	}
	want := fetch.ExitUnavailable
	if on == "RETR 1" {
		want = fetch.ExitData // it is that message's failure
	}
	var conn *pop3.ConnError
	if !errors.As(s.Err, &conn) || !conn.Timeout() || fetch.ExitOf(s.Err) != want {
		t.Errorf("exit %d: %v", fetch.ExitOf(s.Err), s.Err)
	}
	if g.Drop.Len() != 1 || bytes.ContainsAny([]byte(s.Err.Error()), "\r\n\x1b") {
		t.Errorf("%d on the server, %q", g.Drop.Len(), s.Err)
	}
}

// TestWorst: of several accounts' codes the first of this order counts.
func TestWorst(t *testing.T) {
	t.Parallel()
	order := []fetch.Exit{78, 77, 76, 74, 73, 70, 69, 65, 75, 0}
	for i, a := range order {
		for _, b := range order[i:] {
			if got := fetch.Worst([]fetch.Exit{b, 0, a}); got != a {
				t.Errorf("of %d and %d: %d", b, a, got)
			}
		}
	}
	if got := fetch.Worst(nil); got != fetch.ExitOK {
		t.Errorf("of none: %d", got)
	}
}
