package imap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
)

// patience is how many messages in a row a server may not take before no more are
// sent to it.
const patience = 3

// publish uploads a batch: first what is the only one of its content, then, as
// long as they arrive, the second ones, and so on.
func (t *Target) publish(ctx context.Context, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := make(map[string]*message)
	for nth, left := 0, len(b.msgs); left > 0; nth++ {
		var wave []*message
		for _, m := range b.msgs {
			if m.Nth != nth {
				continue
			}
			left--
			before := last[string(m.Loose)]
			if last[string(m.Loose)] = m; before != nil && !before.done {
				m.err = before.err
				continue
			}
			wave = append(wave, m)
		}
		t.upload(ctx, b, wave)
	}
	t.advance(b)
}

// advance raises the lower bound of the next UID.
func (t *Target) advance(b *batch) {
	for _, m := range b.msgs {
		switch {
		case !m.done:
		case m.at.uid == 0 || m.at.validity != t.validity:
			t.known = false // the next batch asks
		default:
			t.next = max(t.next, m.at.uid+1)
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
			conclude(msgs, err) // it asks us to go away: the next run looks
			return
		}
		t.lookUp(ctx, msgs)
		var alone, unsent []*message
		for _, m := range msgs {
			switch {
			case m.done || m.err != nil:
			case m.refused != nil && !m.again():
				m.err = t.o.failed(m.refused)
			case m.tried || try == tries:
				alone = append(alone, m)
			default:
				unsent = append(unsent, m)
			}
		}
		if stop := t.carefully(ctx, b, alone); stop != nil {
			conclude(unsent, stop)
			return
		}
		msgs = unsent
	}
}

// conclude gives all messages without an outcome this one, and returns it.
func conclude(msgs []*message, err error) error {
	for _, m := range msgs {
		if m.done || m.err != nil {
			continue
		}
		m.err = err
		if e, ok := errors.AsType[*deliver.Error](err); ok && m.refused != nil && !m.doubt { // with others, and it is not there
			own := *e
			own.Refused, m.err = true, &own
		}
	}
	return err
}

// again reports whether another try may end better: alone, in a mailbox that is
// created, without keywords.
func (m *message) again() bool {
	switch m.refused.r.code {
	case "TRYCREATE", "LIMIT", "CANNOT":
		return true
	}
	return m.grouped
}

// fast sends all messages as fast as the server allows. Its error says why a session
// ended.
func (t *Target) fast(ctx context.Context, b *batch, msgs []*message) error {
	if err := ctx.Err(); err != nil {
		return conclude(msgs, t.o.failed(err))
	}
	c, err := t.session(ctx)
	if err != nil {
		return conclude(msgs, err)
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

// lookUp finds out which of the messages in doubt have arrived. Those of which that
// cannot be found out get an error that leaves their intents to the next run.
func (t *Target) lookUp(ctx context.Context, msgs []*message) {
	var doubt []*message
	var want []*intent
	for _, m := range msgs {
		if m.doubt && !m.done {
			doubt, want = append(doubt, m), append(want, &m.intent)
		}
	}
	if len(doubt) == 0 {
		return
	}
	c, err := t.session(ctx)
	var s *snapshot
	if err == nil {
		// After a refusal, which is of a group, nothing is on its way.
		s, err = c.look(ctx, want, slices.ContainsFunc(doubt, func(m *message) bool { return m.refused == nil }))
	}
	for _, m := range doubt {
		if err != nil {
			m.err = t.inDoubt(err)
			continue
		}
		at, ok, err := t.ours(s, &m.intent)
		if m.doubt = err != nil; m.doubt {
			m.err = t.inDoubt(err)
		}
		if ok {
			m.done, m.at, m.anew = true, at.receipt, at.anew
			if at.rewritten {
				t.rewritten(&m.intent, at)
			}
		}
	}
}

// inDoubt is the error of a message that may have arrived.
func (t *Target) inDoubt(err error) error {
	var e *deliver.Error
	if errors.As(err, &e) && errors.Is(err, context.Canceled) {
		return e
	}
	return t.o.failure(deliver.Unavailable, InDoubt, "the message may have been stored", err, 0)
}

// carefully sends messages one at a time, and waits for each. A server that does not
// take several in a row, or breaks off twice, gets no more: that is the error.
func (t *Target) carefully(ctx context.Context, b *batch, msgs []*message) error {
	row, lost := 0, 0
	for i, m := range msgs {
		err := t.one(ctx, b, m)
		if err == nil {
			row = 0
			continue
		}
		e := t.o.failed(err)
		m.err = e
		if e.Class == deliver.Failed && m.refused == nil {
			lost++
		}
		if e.Class != deliver.Never {
			row++
		}
		switch {
		case e.Stops() || errors.Is(e, context.Canceled):
			return conclude(msgs[i+1:], &deliver.Error{Class: e.Class, Err: e.Err, Pause: e.Pause})
		case lost > 1 || row == patience:
			return conclude(msgs[i+1:], &deliver.Error{Class: deliver.Unavailable, Err: e.Err})
		}
	}
	return nil
}

// one sends one message, once more if that may help.
func (t *Target) one(ctx context.Context, b *batch, m *message) error {
	if err := ctx.Err(); err != nil {
		return t.o.failed(err)
	}
	c, err := t.session(ctx)
	if err != nil {
		return err
	}
	defer c.watch(ctx)()
	m.refused, m.grouped = nil, false
	if err := c.append(b, [][]*message{{m}}, 1); err != nil {
		return t.oneLost(ctx, m, err)
	}
	if m.refused == nil || !m.again() {
		return t.outcome(m)
	}
	if m.refused.r.code == "TRYCREATE" {
		err = c.create()
	} else {
		if c.box.permanent != nil {
			t.o.Logger.Warn("the server refuses a message with keywords: it and those behind it arrive without", "mailbox", t.o.Mailbox,
				"keywords", t.o.Keywords, "err", m.refused)
		}
		c.box.permanent = nil // Cyrus says LIMIT of too many keywords, Dovecot CANNOT of long ones
	}
	if err == nil {
		m.refused = nil
		err = c.append(b, [][]*message{{m}}, 1)
	}
	if err != nil {
		return t.oneLost(ctx, m, err)
	}
	return t.outcome(m)
}

func (t *Target) outcome(m *message) error {
	if m.refused != nil {
		return t.o.failed(m.refused)
	}
	return nil
}

// oneLost is the outcome of a message whose session broke off.
func (t *Target) oneLost(ctx context.Context, m *message, err error) error {
	if m.refused != nil {
		return t.outcome(m)
	}
	t.lookUp(ctx, []*message{m})
	e := t.o.failed(err)
	switch {
	case m.done:
		return nil
	case m.err != nil:
		return m.err
	case e.Class == deliver.Unavailable && causeOf(e) != Throttled && causeOf(e) != Busy:
		e = &deliver.Error{Class: deliver.Failed, Err: e.Err}
	}
	return e
}

func causeOf(e error) Cause {
	var own *Error
	if errors.As(e, &own) {
		return own.Cause
	}
	return CauseOther
}
