package gmail

import (
	"context"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Target delivers to one Gmail mailbox. It implements deliver.Deliverer and
// deliver.Recoverer.
type Target struct {
	o   Options
	api *api

	mu     sync.Mutex // guards what follows
	labels []string   // their ids; nil: not known
	seen   *index     // what Recover has read
}

// New returns the Target of a mailbox. It does not connect: Begin does.
func New(o Options) *Target {
	t := &Target{o: o.withDefaults()}
	t.api = &api{o: &t.o, web: web.New(t.o.Web), pace: newPacer(t.o.Units)}
	t.seen = newIndex(t.api)
	t.seen.later = true
	return t
}

// MaxBatch implements deliver.BatchLimiter: at the rate of the quota a batch of this
// size takes half a minute. A source that waits for longer may hang up.
func (t *Target) MaxBatch() int { return 120 }

// Begin opens a batch. The first time it logs in, and creates labels that are missing, so
// that what is wrong is noticed before a message is retrieved.
func (t *Target) Begin(ctx context.Context) (deliver.Batch, error) {
	if _, err := t.ids(ctx, false); err != nil {
		return nil, err
	}
	return t.open(), nil
}

// ids are those of the labels, read again if that is wanted.
func (t *Target) ids(ctx context.Context, again bool) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.labels != nil && !again {
		return t.labels, nil
	}
	fault.Point("gmail.labels")
	ids, err := t.api.resolve(ctx)
	if err != nil {
		return nil, t.api.failed("labels", err)
	}
	t.labels = ids
	return ids, nil
}

// Close closes the connections. Idempotent.
func (t *Target) Close() error {
	t.api.web.Close()
	return nil
}

// Recover implements deliver.Recoverer: it looks the message up in the mailbox.
func (t *Target) Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := new(intent)
	return remote.Recover(Kind, i, in, func() (remote.Found[string], error) {
		fault.Point("gmail.recover")
		return t.o.claims.Take(space, in.Batch, func() (at remote.Found[string], err error) {
			where, err := t.seen.await(ctx, in)
			if at.At, at.OK = where.id, err == nil && where.id != ""; at.OK {
				t.warn(in, where)
			}
			return at, err
		})
	})
}

// warn says that Gmail has another text than it was given.
func (t *Target) warn(in *intent, at found) {
	if at.how != same {
		t.o.Logger.Warn("Gmail has changed a message that it stored", "message-id", in.ID, "err", at.how.String())
	}
}
