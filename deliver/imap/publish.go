package imap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// publish uploads a batch.
func (t *Target) publish(ctx context.Context, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	remote.Waves(b.Msgs, func(wave []*message) { t.upload(ctx, b, wave) })
	t.advance(b)
}

// advance raises the lower bound of the next UID.
func (t *Target) advance(b *batch) {
	for _, m := range b.Msgs {
		switch {
		case !m.Done:
		case m.place.uid == 0 || m.place.validity != t.validity:
			t.known = false // the next batch asks
		default:
			t.least = max(t.least, m.place.uid+1)
		}
	}
}

// tries is how often messages that a session broke off before are sent at speed.
const tries = 3

// upload sends different messages; what was refused as part of a group, or was
// under way when a session broke off, once more and alone. Each then has its
// outcome.
func (t *Target) upload(ctx context.Context, b *batch, msgs []*message) {
	for try := 1; len(msgs) > 0; try++ {
		err := t.fast(ctx, b, msgs)
		if err != nil && causeOf(err) == Throttled {
			remote.Conclude(msgs, err) // it asks us to go away: the next run looks
			return
		}
		t.lookUp(ctx, msgs)
		var alone, unsent []*message
		for _, m := range msgs {
			switch {
			case !m.Open():
			case m.Refusal != nil && !m.again():
				m.Err = t.o.failed(m.Refusal)
			case m.tried || try == tries:
				alone = append(alone, m)
			default:
				unsent = append(unsent, m)
			}
		}
		if stop := remote.Carefully(alone, func(m *message) *deliver.Error { return t.one(ctx, b, m) }); stop != nil {
			remote.Conclude(unsent, stop)
			return
		}
		msgs = unsent
	}
}

// again reports whether another try may end better: alone, in a mailbox that is
// created, without keywords.
func (m *message) again() bool {
	switch m.refused().r.code {
	case "TRYCREATE", "LIMIT", "CANNOT":
		return true
	}
	return m.grouped
}

// fast sends all messages as fast as the server allows. Its error says why a session
// ended.
func (t *Target) fast(ctx context.Context, b *batch, msgs []*message) error {
	if err := ctx.Err(); err != nil {
		return remote.Conclude(msgs, t.o.failed(err))
	}
	c, err := t.session(ctx)
	if err != nil {
		return remote.Conclude(msgs, err)
	}
	n := 1
	if slices.ContainsFunc(msgs, func(m *message) bool { _, wait := c.literal(m.Size); return wait }) {
		n = t.more(ctx, min(t.connections, len(msgs)))
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, c := range t.conns[:n] {
		wg.Go(func() {
			defer c.watch(ctx)()
			groups, window := c.groups(every(msgs, i, n))
			errs[i] = c.append(b, groups, window)
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// every returns each n-th message from the i-th on.
func every(msgs []*message, i, n int) (out []*message) {
	for ; i < len(msgs); i += n {
		out = append(out, msgs[i])
	}
	return out
}

// lookUp finds out which of the messages in doubt have arrived.
func (t *Target) lookUp(ctx context.Context, msgs []*message) {
	var s *snapshot
	remote.LookUp(msgs, func(doubt []*message) (func(*message) (found, error), error) {
		var want []*intent
		wait := false // after a refusal, which is of a group, nothing is on its way
		for _, m := range doubt {
			want, wait = append(want, &m.intent), wait || m.Refusal == nil
		}
		c, err := t.session(ctx)
		if err != nil {
			return nil, err
		}
		s, err = c.look(ctx, want, wait)
		return func(m *message) (found, error) { return t.ours(s, &m.intent) }, err
	}, t.inDoubt, func(m *message, at found) { m.arrived(copyAt{s.validity, at.At}) })
}

// inDoubt is the error of a message that may have arrived.
func (t *Target) inDoubt(err error) error {
	var e *deliver.Error
	if errors.As(err, &e) && errors.Is(err, context.Canceled) {
		return e
	}
	return t.o.failure(deliver.Unavailable, InDoubt, "the message may have been stored", err)
}

// one sends one message, once more if that may help.
func (t *Target) one(ctx context.Context, b *batch, m *message) *deliver.Error {
	if err := ctx.Err(); err != nil {
		return t.o.failed(err)
	}
	c, err := t.session(ctx)
	if err != nil {
		return t.o.failed(err)
	}
	defer c.watch(ctx)()
	m.Refusal, m.grouped = nil, false
	err = c.append(b, [][]*message{{m}}, 1)
	if err == nil && m.Refusal != nil && m.again() {
		if err = t.repair(c, m); err == nil {
			m.Refusal = nil
			err = c.append(b, [][]*message{{m}}, 1)
		}
	}
	return t.outcome(ctx, m, err)
}

// repair does what may let a message pass that was refused.
func (t *Target) repair(c *conn, m *message) error {
	if m.refused().r.code == "TRYCREATE" {
		return c.create()
	}
	if c.box.permanent != nil {
		t.o.Logger.Warn("the server refuses a message with keywords: it and those behind it arrive without", "mailbox", t.o.Mailbox,
			"keywords", t.o.Keywords, "err", m.Refusal)
	}
	c.box.permanent = nil // Cyrus says LIMIT of too many keywords, Dovecot CANNOT of long ones
	return nil
}

// outcome is that of a message; an error: its session broke off.
func (t *Target) outcome(ctx context.Context, m *message, err error) *deliver.Error {
	switch {
	case m.Refusal != nil:
		return t.o.failed(m.Refusal)
	case err == nil:
		return nil
	}
	t.lookUp(ctx, []*message{m})
	e := t.o.failed(err)
	switch {
	case m.Done:
		return nil
	case m.Err != nil:
		return t.o.failed(m.Err)
	case e.Class == deliver.Unavailable && causeOf(e) != Throttled && causeOf(e) != Busy:
		return remote.Blamed(e)
	}
	return e
}
