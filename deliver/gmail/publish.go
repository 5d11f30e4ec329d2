package gmail

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// publish uploads a batch.
func (t *Target) publish(ctx context.Context, b *batch) {
	p := &publication{t: t, b: b}
	remote.Waves(b.Msgs, func(wave []*message) { p.upload(ctx, wave) })
	remote.Note(t.o.claims, space, b.Msgs, func(m *message) string { return m.id }, t.o.Logger)
}

// publication is the upload of one batch.
type publication struct {
	t *Target
	b *batch

	mu     sync.Mutex
	stop   error // why no more are sent
	passed int   // messages that arrived
}

// upload sends different messages, several at a time. Each then has its outcome.
func (p *publication) upload(ctx context.Context, msgs []*message) {
	work := make(chan *message)
	var wg sync.WaitGroup
	for range min(p.t.o.Uploads, len(msgs)) {
		wg.Go(func() {
			for m := range work {
				p.one(ctx, m)
			}
		})
	}
	for _, m := range msgs {
		work <- m
	}
	close(work)
	wg.Wait()
}

// one sends one message, unless no more are sent.
func (p *publication) one(ctx context.Context, m *message) {
	p.mu.Lock()
	stop, before := p.stop, p.passed
	p.mu.Unlock()
	if stop != nil {
		m.Err = stop
		return
	}
	err := p.send(ctx, m)
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Done {
		p.passed++
		return
	}
	e := p.t.api.failed("", err)
	if causeOf(e) != InDoubt && e.Class == deliver.Unavailable && p.passed > before && e.Pause == 0 {
		e = remote.Blamed(e) // others pass: it is this message's fault
	}
	m.Err = e
	if e.Stops() && p.stop == nil {
		p.stop = remote.Stopping(e)
	}
}

// send uploads a message, again while that may pass in this run and it is certain that
// the last try did not arrive.
func (p *publication) send(ctx context.Context, m *message) error {
	t := p.t
	relabelled := false
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return t.api.failed("", ctx.Err())
		}
		ids, err := t.ids(ctx, false)
		if err != nil {
			return err
		}
		fault.Point("gmail.send")
		id, err := t.store(ctx, p.b, m, ids)
		fault.Point("gmail.sent")
		if err == nil {
			m.arrived(id)
			return nil
		}
		again := t.api.rest(ctx, try, err) || m.maybe && try < tries
		if err := p.clear(ctx, m, err); m.Done || err != nil {
			return err
		}
		if !relabelled {
			var lerr error
			if relabelled, lerr = p.relabel(ctx, ids, err); lerr != nil {
				return lerr // the message may be well
			}
			again = again || relabelled
		}
		if !again {
			return err
		}
	}
}

// clear finds out whether a message whose upload failed has arrived all the same. Its
// error: that is not known.
func (p *publication) clear(ctx context.Context, m *message, failed error) error {
	doubtful, answered := doubt(failed)
	if !doubtful && !m.maybe {
		return nil
	}
	m.At, m.maybe = time.Now(), false // the lag counts from here
	x := newIndex(p.t.api)
	var at found
	var certain bool
	var err error
	if answered {
		at, certain, err = x.find(ctx, &m.intent)
	}
	if !answered || err == nil && at.id == "" && !certain {
		at, err = x.await(ctx, &m.intent)
	}
	if err != nil {
		e := p.t.api.failed("", err)
		if errors.Is(err, context.Canceled) || causeOf(e) == InDoubt || e.Class == deliver.Denied {
			return e
		}
		return p.t.api.failure(verdict{Class: deliver.Unavailable, Cause: InDoubt, Pause: e.Pause}, "the message may have been stored", err)
	}
	if at.id != "" {
		m.arrived(at.id)
		p.t.warn(&m.intent, at)
	}
	return nil
}

// doubt reports whether a message may have arrived although its upload failed, and
// whether the server has answered that it did not handle it (RFC 9110 section 15.6.4):
// then one look is enough, if that can show it.
func doubt(err error) (doubtful, answered bool) {
	if e, ok := errors.AsType[*web.Error](err); ok {
		return e.Sent, false
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false, false
	}
	return e.Status >= 500 || e.Status == http.StatusOK, e.Status == http.StatusServiceUnavailable
}

// relabel reads the labels again after a refusal that may be about them: a person may
// have removed one since. It reports whether they are others now.
func (p *publication) relabel(ctx context.Context, ids []string, err error) (bool, error) {
	if causeOf(err) != Rejected && causeOf(err) != NotGmail || !slices.ContainsFunc(ids, func(id string) bool { return !IsSystem(id) }) {
		return false, nil
	}
	now, err := p.t.ids(ctx, true)
	return err == nil && !slices.Equal(ids, now), err
}
