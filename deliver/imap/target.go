package imap

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Target delivers to one mailbox. It implements deliver.Deliverer and
// deliver.Recoverer.
type Target struct {
	o    Options
	most atomic.Int64 // APPENDLIMIT; 0: none is known

	mu    sync.Mutex // held while the sessions are used
	conns []*conn    // the first one is the usual one
	// connections is the most that the server takes.
	connections int
	known       bool // validity and next hold
	// least is a lower bound of the next UID under validity.
	validity, least uint32
	past            *snapshot // what Recover looks at
}

// New returns the Target of a mailbox. It does not connect: Begin does.
func New(o Options) *Target {
	o = o.withDefaults()
	return &Target{o: o, connections: o.Connections}
}

// MaxUpload implements deliver.Uploader.
func (t *Target) MaxUpload() int { return 500 }

// Begin opens a batch, and a session if there is none, so that a server that is down
// is noticed before a message is retrieved for it.
func (t *Target) Begin(ctx context.Context) (deliver.Batch, error) {
	if t.mu.TryLock() { // else the last batch is being published: there is one
		defer t.mu.Unlock()
		t.past = nil
		if _, err := t.session(ctx); err != nil {
			return nil, err
		}
	}
	return &batch{P: t.protocol(), Staged: content.Staged{Dir: t.o.SpoolDir, Point: "imap.stage"}}, nil
}

// session returns the usual session, a new one if there is none that works. t.mu is held.
func (t *Target) session(ctx context.Context) (*conn, error) {
	if len(t.conns) > 0 && t.conns[0].works() {
		return t.conns[0], nil
	}
	c, err := dial(ctx, &t.o)
	if err != nil {
		return nil, err
	}
	t.conns = append([]*conn{c}, t.conns[min(1, len(t.conns)):]...)
	t.most.Store(c.limit)
	t.learn(c.box)
	return c, nil
}

func (c *wire) works() bool { return c.dead == nil && !c.interrupted() }

// more opens sessions up to n at once, and returns how many there are. The first one
// works. A server that allows fewer is not asked for more again.
func (t *Target) more(ctx context.Context, n int) int {
	t.conns = slices.DeleteFunc(t.conns, func(c *conn) bool { return !c.works() })
	more := make([]*conn, max(n-len(t.conns), 0))
	errs := make([]error, len(more))
	var wg sync.WaitGroup
	for i := range more {
		wg.Go(func() {
			if more[i], errs[i] = connect(ctx, &t.o); errs[i] == nil {
				more[i].box = t.conns[0].box // APPEND opens no mailbox
			}
		})
	}
	wg.Wait()
	t.conns = append(t.conns, slices.DeleteFunc(more, func(c *conn) bool { return c == nil })...)
	if err := cmp.Or(errs...); err != nil && ctx.Err() == nil {
		t.connections = len(t.conns)
		t.o.Logger.Warn("the server takes fewer connections", "connections", t.connections, "err", err)
	}
	return min(n, len(t.conns))
}

// dial connects and enters the mailbox.
func dial(ctx context.Context, o *Options) (*conn, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	if err := c.enter(); err != nil {
		c.logout()
		return nil, err
	}
	return c, nil
}

// learn takes UIDVALIDITY and UIDNEXT from the server. A lower bound under the same
// validity stays.
func (t *Target) learn(b box) {
	if !t.known || t.validity != b.validity {
		t.known, t.validity, t.least = true, b.validity, b.next
	}
}

// next returns UIDVALIDITY and a lower bound of the next UID.
func (t *Target) next(ctx context.Context) (validity, next uint32, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.session(ctx)
	if err != nil {
		return 0, 0, err
	}
	if !t.known {
		defer c.watch(ctx)()
		err := c.status()
		if err == nil {
			t.learn(c.box)
		} else if c.brokeOff() { // it had nothing to do for too long: RFC 9051 section 5.4
			_, err = t.session(ctx)
		}
		if err != nil {
			return 0, 0, t.o.failed(err)
		}
	}
	return t.validity, max(t.least, 1), nil
}

// Close says LOGOUT and closes the connections. Idempotent.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		if c != nil {
			c.logout()
		}
	}
	t.conns, t.past = nil, nil
	return nil
}

// Recover implements deliver.Recoverer: it looks the message up in the mailbox.
func (t *Target) Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	if i.Kind == SkipKind {
		return deliver.Visible, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	in := new(intent)
	return remote.Recover(Kind, i, in, func() (found, error) {
		c, err := t.session(ctx)
		if err != nil {
			return found{}, err
		}
		return t.search(ctx, c, in)
	})
}

// search looks for one message. What one look has shown holds for the next message
// of a recovery.
func (t *Target) search(ctx context.Context, c *conn, in *intent) (at found, err error) {
	if s := t.past; s != nil && c.box.opened && (s.from == 1 || s.validity == in.Validity && s.from <= in.Next) {
		stop := c.watch(ctx)
		err := c.readCandidates(ctx, s, s.ahead(in))
		stop()
		if err != nil {
			return at, t.o.failed(err)
		}
		if at, err := t.ours(s, in); at.OK || err != nil || s.Settled || !in.Young() {
			return at, err
		}
	}
	if t.past, err = c.look(ctx, []*intent{in}, true); err != nil {
		return at, err
	}
	return t.ours(t.past, in)
}

// ahead is in, and, if that costs a round trip anyway, what finds the messages behind it:
// the next intents are about these, most likely.
func (s *snapshot) ahead(in *intent) []*intent {
	want := []*intent{in}
	unread := func(e entry) bool { _, known := s.sums[e.uid]; return !known }
	here := s.candidates(in)
	i := slices.IndexFunc(here, unread)
	if i < 0 {
		return want
	}
	left := int64(groupBytes)
	for _, e := range s.entries {
		if e.uid <= here[i].uid || !unread(e) {
			continue
		}
		if left -= e.size; left < 0 || len(want) == fetchSet {
			break
		}
		want = append(want, &intent{Mark: remote.Mark{Size: e.size}, Next: e.uid, Validity: s.validity})
	}
	return want
}

// RecoverSkip settles an intent of SkipKind: there was nothing to deliver.
func RecoverSkip(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.Visible, nil }
