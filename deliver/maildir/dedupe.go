package maildir

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
)

// SkipKind is the Intent.Kind of a message that the Maildir has already.
const SkipKind = "maildir-has"

// RecoverSkip settles such an intent: there was nothing to make visible.
func RecoverSkip(context.Context, deliver.Intent) (deliver.Fate, error) {
	return deliver.Visible, nil
}

// SameBy says how a message that the Maildir has already is recognised.
type SameBy uint8

const (
	// SameContent compares every byte.
	SameContent SameBy = iota
	// SameMessageID compares the Message-ID field.
	SameMessageID
)

// Dedupe delivers messages that the Maildir does not hold yet. It implements
// deliver.Deliverer, and deliver.Tagger if it tags.
type Dedupe struct {
	*Deliverer
	have *Existing
	by   SameBy
	tag  bool
}

// NewDedupe wraps d. With tag set a duplicate is still delivered, with a field that
// names the message that it repeats; that needs SameMessageID.
func NewDedupe(d *Deliverer, have *Existing, by SameBy, tag bool) *Dedupe {
	return &Dedupe{Deliverer: d, have: have, by: by, tag: tag}
}

// Tag implements deliver.Tagger.
func (d *Dedupe) Tag(_ context.Context, e deliver.Envelope) (string, error) {
	if !d.tag {
		return "", nil
	}
	base, ok, err := d.have.ByMessageID(e.MessageID)
	if err != nil || !ok {
		return "", d.failed(err)
	}
	return "X-Mailhaul-Duplicate-Of: " + base + "\n", nil
}

func (d *Dedupe) failed(err error) error {
	if err == nil {
		return nil
	}
	return d.failure("", err)
}

// Begin implements deliver.Deliverer.
func (d *Dedupe) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := d.Deliverer.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &dedupeBatch{Batch: b, inner: b.(*batch), d: d}, nil
}

// Probe implements deliver.Prober. It does not look for duplicates: that may read
// the whole Maildir.
func (d *Dedupe) Probe(ctx context.Context) error { return deliver.Stage(ctx, d.Deliverer) }

// Close saves the cache and closes the Deliverer.
func (d *Dedupe) Close() error { return errors.Join(d.have.Save(), d.Deliverer.Close()) }

// dedupeBatch is a batch whose duplicates are not staged.
type dedupeBatch struct {
	deliver.Batch
	inner *batch
	d     *Dedupe
	mu    sync.Mutex // guards has while an Add is under way
	has   []string   // by order of Add: the base name of a duplicate, "" if staged
}

// Add implements deliver.Batch.
func (b *dedupeBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if b.d.by == SameMessageID && !b.d.tag {
		base, ok, err := b.d.have.ByMessageID(e.MessageID)
		if err != nil {
			return b.d.failed(err)
		}
		if ok {
			if _, err := io.Copy(io.Discard, body); err != nil {
				return err
			}
			b.note(base)
			return nil
		}
	}
	sum := sha256.New()
	if err := b.inner.Add(ctx, e, io.TeeReader(body, sum)); err != nil {
		return err
	}
	return b.settle(e, [sha256.Size]byte(sum.Sum(nil)))
}

// settle keeps the message that was just staged, or removes it if its bytes are in
// the Maildir already.
func (b *dedupeBatch) settle(e deliver.Envelope, sum [sha256.Size]byte) error {
	m := b.inner.last()
	base := ""
	var err error
	if b.d.by == SameContent {
		base, _, err = b.d.have.ByContent(sum)
	}
	if err == nil && base == "" {
		err = b.d.have.add(m.new, e.MessageID, sum)
	}
	if err != nil || base != "" {
		b.inner.dropLast()
		_ = os.Remove(filepath.Join(b.inner.path, "tmp", m.tmp)) // else a later sweep removes it
	}
	if err != nil {
		return b.d.failed(err)
	}
	b.note(base)
	return nil
}

func (b *dedupeBatch) note(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.has = append(b.has, base)
}

// Divide implements deliver.Divider.
func (b *dedupeBatch) Divide(n int) deliver.Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	staged := 0
	for _, base := range b.has[:n] {
		if base == "" {
			staged++
		}
	}
	inner := b.inner.divide(staged)
	first := &dedupeBatch{Batch: inner, inner: inner, d: b.d, has: b.has[:n:n]}
	b.has = b.has[n:]
	return first
}

// Prepare implements deliver.Batch.
func (b *dedupeBatch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	staged, err := b.inner.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	intents := make([]deliver.Intent, len(b.has))
	for i, base := range b.has {
		if base != "" {
			intents[i] = deliver.Intent{Kind: SkipKind, Receipt: receiptOf(base), Skipped: true}
			continue
		}
		intents[i], staged = staged[0], staged[1:]
	}
	return intents, nil
}

// Abort implements deliver.Batch. The staged messages do not reach the Maildir: the
// same message is no duplicate when it comes again.
func (b *dedupeBatch) Abort() error {
	for _, m := range b.inner.staged {
		b.d.have.remove(m.new)
	}
	return b.inner.Abort()
}

// Publish implements deliver.Batch.
func (b *dedupeBatch) Publish(ctx context.Context) []deliver.Result {
	published := b.inner.Publish(ctx)
	results := make([]deliver.Result, len(b.has))
	for i, base := range b.has {
		if base == "" && len(published) > 0 {
			results[i], published = published[0], published[1:]
		}
	}
	return results
}
