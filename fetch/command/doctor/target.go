package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// checkTargets delivers to each target as far as nothing stays: a Maildir is made
// and written to, a relay is offered the recipients.
func (w *walk) checkTargets(ctx context.Context) {
	for _, t := range target.Of(w.a) {
		if to, ok := t.(target.Walker); ok {
			w.walkTarget(ctx, t, to)
			continue
		}
		began := time.Now()
		d, err := w.Builder.Deliverer(w.a, t)
		if err == nil {
			if r, ok := d.(deliver.Resident); ok {
				r.Resume(w.pastOf(t.ID()))
			}
			err = tryTarget(ctx, d)
		}
		if err == nil {
			w.ok("target", t.ID(), began)
		}
		for _, e := range parts(err) {
			w.targetRefused(t.ID(), e, began)
		}
	}
}

// walkTarget reports the steps of the way to a mailbox.
func (w *walk) walkTarget(ctx context.Context, t target.Target, to target.Walker) {
	const whose = "target "
	ctx, cancel := context.WithTimeout(ctx, targetTimeout)
	defer cancel()
	began, told := time.Now(), false
	err := to.Walk(ctx, w.Builder.Site(w.a, t), func(cs *tls.ConnectionState) { w.tellTLS(whose, cs, began) }, func(s target.Step) {
		if s.Err == nil {
			w.ok(whose+s.Name, s.Detail, time.Now().Add(-s.Took))
			return
		}
		told = true
		w.fail(whose+s.Name, fmt.Errorf("%s: %w", t.ID(), s.Err), time.Now().Add(-s.Took))
	})
	switch {
	case err != nil && !told:
		w.fail("target", fmt.Errorf("%s: %w", t.ID(), err), began)
	case err == nil:
		w.ok("target", t.ID(), began)
	}
}

// pastOf is the past of a target. If that cannot be read, what is missing is not
// made: its volume may not be mounted.
func (w *walk) pastOf(id string) deliver.Past {
	if w.unread {
		return deliver.Past{Delivered: true}
	}
	return w.past[id]
}

// targetRefused reports an error of a target: what may be otherwise for another message
// or at another time is a warning.
func (w *walk) targetRefused(id string, err error, began time.Time) {
	if w.unread && errors.As(err, new(*deliver.GoneError)) {
		w.warn("target", id+": is missing, and not made: the state cannot be read, so it may have received mail",
			"Is its volume mounted? Check again when the state can be read.", began)
		return
	}
	e, ok := errors.AsType[*deliver.Error](err)
	err = fmt.Errorf("%s: %w", id, err)
	if !ok || e.Class != deliver.Later {
		w.fail("target", err, began)
		return
	}
	text := advice.Text(err, advice.SituationOf(w.a, w.Bare))
	w.warn("target", err.Error(), cmp.Or(text, "Messages stay on the server until the target takes them: check again later."), began)
}

// parts are the errors that were joined.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// targetTimeout is how long a target may take: some relays pause before they
// answer, to deter others.
const targetTimeout = time.Minute

func tryTarget(ctx context.Context, d deliver.Deliverer) error {
	limited, cancel := context.WithTimeout(ctx, targetTimeout)
	defer cancel()
	defer d.Close()
	err := deliver.Try(limited, d)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil { // not by a signal
		return &deliver.Error{Class: deliver.Unavailable, Err: fmt.Errorf("no answer within %s", ledger.Brief(targetTimeout))}
	}
	return err
}
