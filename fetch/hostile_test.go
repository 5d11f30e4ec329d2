package fetch

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

// failures reads what the state has on record.
func (g *rig) failures() (n int) {
	g.t.Helper()
	g.view(func(v *state.View) { n = len(v.Failures()) })
	return n
}

// TestStoppedRunBlamesNoMessage: what a cancelled run did not finish is not a
// failure of a message, or three signals would set it aside as poison.
func TestStoppedRunBlamesNoMessage(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(10)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	plain, taken := g.account.Targets[0].Deliverer, 0
	g.account.Targets[0].Deliverer = hook{plain, func(deliver.Envelope) error {
		if taken++; taken == 4 {
			cancel()
		}
		return nil
	}}
	s := g.fetcher.Run(ctx, []*Account{g.account})[0]
	if got := ExitOf(s.Err); got != ExitInterrupted {
		t.Errorf("exit %d: %v", got, s.Err)
	}
	if s.Failed != 0 || g.failures() != 0 {
		t.Errorf("%d messages failed, %d on record", s.Failed, g.failures())
	}
	if g.delivered() != s.Fetched || s.Fetched < 3 {
		t.Errorf("%d fetched, %d delivered", s.Fetched, g.delivered())
	}
	if g.server.Count("QUIT") != 0 {
		t.Error("a stopped run sent QUIT")
	}
	g.account.Targets[0].Deliverer = plain
	if s := g.run(); s.Err != nil || g.delivered() != 10 {
		t.Errorf("next run: %d delivered, %v", g.delivered(), s.Err)
	}
}

// TestTargetThatRefusesOne: a message that one of two targets refuses stays on
// the server, the other target gets it once, and only the missing one is tried.
func TestTargetThatRefusesOne(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.account.Policy = plan.Policy{Keep: plan.Keep{None: true}, OnReject: plan.KeepOnServer}
	g.add(3)
	second := maildir.New(maildir.Options{Path: g.dir + "/Second"})
	bad := g.drop.Messages()[1].UID
	refusing := true
	g.account.Targets = append(g.account.Targets, Target{ID: "second", Deliverer: hook{second, func(e deliver.Envelope) error {
		if e.UID == bad && refusing {
			return &deliver.Error{Class: deliver.Later, Err: errors.New("not this one")}
		}
		return nil
	}}})
	s := g.run()
	if ExitOf(s.Err) != ExitData || s.Failed != 1 || s.Deleted != 2 || g.drop.Len() != 1 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
	refusing = false
	if s := g.run(); s.Err != nil || s.Deleted != 1 || g.drop.Len() != 0 {
		t.Errorf("second run: %+v, %d left", s, g.drop.Len())
	}
	if n := g.delivered(); n != 3 {
		t.Errorf("%d in the first target", n)
	}
	if n := len(sums(t, g.dir+"/Second")); n != 3 {
		t.Errorf("%d in the second target", n)
	}
}

// TestStateOfNewerVersion: refused, with nothing sent to the server.
func TestStateOfNewerVersion(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(1)
	if s := g.run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	path := state.Path(g.fetcher.StateDir, g.account.ID)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte("99")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before := g.server.Connections()
	s := g.run()
	var version *state.VersionError
	if !errors.As(s.Err, &version) || ExitOf(s.Err) != ExitCannotWrite {
		t.Errorf("exit %d: %v", ExitOf(s.Err), s.Err)
	}
	if g.server.Connections() != before || g.delivered() != 1 {
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

func cutRig(t *testing.T, keep bool) (*rig, *pop3test.DelayProxy) {
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	for i := range 4 {
		g.drop.Add("", fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: %d\r\n\r\n%s\r\n", i, i, strings.Repeat(".x\r\n", 20)))
	}
	proxy := pop3test.NewDelayProxy(g.server.Addr(), 0)
	t.Cleanup(proxy.Close)
	g.account.Server.Host, g.account.Server.Port = proxy.Host, proxy.Port
	g.account.Policy.Keep.None = !keep
	return g, proxy
}

func sessionBytes(t *testing.T, keep bool) int64 {
	g, proxy := cutRig(t, keep)
	if s := g.run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	return proxy.Down()
}

func cutAt(t *testing.T, keep bool, at int64) {
	t.Helper()
	g, proxy := cutRig(t, keep)
	want := make(map[[32]byte]int)
	for _, m := range g.drop.Messages() {
		want[pop3test.Sum(m.Body)]++
	}
	proxy.CutAfter(at)
	s := g.run()
	if s.Err == nil && at > 0 && !keep && g.drop.Len() != 0 {
		t.Errorf("cut after %d: no error, but %d messages stay", at, g.drop.Len())
	}
	for sum, n := range sums(t, g.dir+"/Maildir") {
		if want[sum] != n {
			t.Errorf("cut after %d: half a message or one twice: %x", at, sum[:4])
		}
	}
	proxy.CutAfter(0)
	if s := g.run(); s.Err != nil {
		t.Errorf("cut after %d, then: %v", at, s.Err)
	}
	if got := sums(t, g.dir+"/Maildir"); len(got) != len(want) {
		t.Errorf("cut after %d: %d messages in the end, want %d", at, len(got), len(want))
	}
	if left := g.drop.Len(); keep && left != 4 || !keep && left != 0 {
		t.Errorf("cut after %d: %d messages on the server", at, left)
	}
}

// TestSilentServerIsLeftInTime: a run ends in bounded time however slowly a server
// answers, and in one line of reason.
func TestSilentServerIsLeftInTime(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"connect", "greeting", "CAPA", "USER", "PASS", "STAT", "UIDL", "LIST", "RETR 1", "QUIT"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.add(1)
			synctest.Test(t, func(t *testing.T) { silentOn(t, g, on) })
		})
	}
}

// silentOn runs in a bubble, whose clock stands still while anybody is busy:
// with a server that needs no network.
func silentOn(t *testing.T, g *rig, on string) {
	server := pop3test.NewUnstartedServer(g.drop, pop3test.Options{
		Security: pop3test.Plain, Faults: []pop3test.Fault{{On: on, Always: true, Do: pop3test.Stall()}}})
	defer server.Close()
	g.account.Server.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		server.ServeConn(theirs)
		return ours, nil
	}
	g.account.Server.Idle, g.account.Server.Connect = 200*time.Millisecond, 200*time.Millisecond
	began := time.Now()
	s := g.run()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if on == "CAPA" {
		if s.Err != nil || g.delivered() != 1 {
			t.Errorf("a server that has no CAPA: %v", s.Err)
		}
		return
	}
	want := ExitUnavailable
	if on == "RETR 1" {
		want = ExitData // it is that message's failure
	}
	var conn *pop3.ConnError
	if !errors.As(s.Err, &conn) || !conn.Timeout() || ExitOf(s.Err) != want {
		t.Errorf("exit %d: %v", ExitOf(s.Err), s.Err)
	}
	if g.drop.Len() != 1 || bytes.ContainsAny([]byte(s.Err.Error()), "\r\n\x1b") {
		t.Errorf("%d on the server, %q", g.drop.Len(), s.Err)
	}
}

// TestWorst: of several accounts' codes the first of this order counts.
func TestWorst(t *testing.T) {
	t.Parallel()
	order := []Exit{78, 77, 76, 74, 73, 70, 69, 65, 75, 0}
	for i, a := range order {
		for _, b := range order[i:] {
			if got := Worst([]Exit{b, 0, a}); got != a {
				t.Errorf("of %d and %d: %d", b, a, got)
			}
		}
	}
	if got := Worst(nil); got != ExitOK {
		t.Errorf("of none: %d", got)
	}
}
