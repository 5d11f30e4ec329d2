package imap

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// SameBy says how a message that the mailbox has already is recognised.
type SameBy uint8

const (
	// SameContent compares every byte.
	SameContent SameBy = iota
	// SameMessageID compares the Message-ID field.
	SameMessageID
)

// dedupe delivers into a mailbox what it does not hold yet.
type dedupe struct {
	*Target
	by  SameBy
	tag bool

	mu    sync.Mutex // guards the rest
	index *Reader
	held  *snapshot
	run   bool                // the last message of a known size was there: the next one is too, most likely
	ours  map[[8]byte]string  // Message-IDs of what was staged -> where it goes
	sums  map[[32]byte]string // and its content
}

// NewDedupe delivers into t what the mailbox does not hold yet. With tag set a
// duplicate is delivered all the same, with a field that names the message it
// repeats; that needs SameMessageID.
func NewDedupe(t *Target, by SameBy, tag bool) deliver.Deliverer {
	return &dedupe{Target: t, by: by, tag: tag, ours: make(map[[8]byte]string), sums: make(map[[32]byte]string)}
}

// Tag implements deliver.Tagger.
func (d *dedupe) Tag(ctx context.Context, e deliver.Envelope) (string, error) {
	if !d.tag {
		return "", nil
	}
	where, err := d.byID(ctx, normalID(e.MessageID))
	if err != nil || where == "" {
		return "", err
	}
	return "X-Mailhaul-Duplicate-Of: " + where + "\n", nil
}

// Begin implements deliver.Deliverer.
func (d *dedupe) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := d.Target.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &dedupeBatch{batch: b.(*batch), d: d}, nil
}

// Close implements deliver.Deliverer.
func (d *dedupe) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.index != nil {
		_ = d.index.Close()
	}
	d.index, d.held = nil, nil
	return d.Target.Close()
}

// load lists the mailbox, once. d.mu is held.
func (d *dedupe) load(ctx context.Context) error {
	if d.held != nil {
		return nil
	}
	r, err := Open(ctx, d.o)
	if err != nil {
		return err
	}
	defer r.c.watch(ctx)()
	s, err := r.c.snapshot(ctx, 0, 1)
	if err != nil {
		r.c.logout()
		return d.o.failed(err)
	}
	d.index, d.held = r, s
	return nil
}

// byID returns where a message with this Message-ID is; empty: nowhere.
func (d *dedupe) byID(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(ctx); err != nil {
		return "", err
	}
	for _, e := range d.held.entries {
		if e.id == idDigest(id) {
			return (&intent{Mark: remote.Mark{ID: id, Size: e.size}}).receipt(copyAt{d.held.validity, e.uid}), nil
		}
	}
	return d.ours[idDigest(id)], nil
}

// byContent returns where a message with the bytes of in is; empty: nowhere.
func (d *dedupe) byContent(ctx context.Context, in *intent) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(ctx); err != nil {
		return "", err
	}
	same := &intent{Mark: remote.Mark{Size: in.Size}} // of the same size only: all with one Message-ID may be many
	defer d.index.c.watch(ctx)()
	want := []*intent{same}
	if d.run {
		want = d.held.ahead(same)
	}
	if err := d.index.c.readCandidates(ctx, d.held, want); err != nil {
		_ = d.index.Close()
		d.index, d.held = nil, nil // the next look has a new session
		return "", d.o.failed(err)
	}
	candidates := d.held.candidates(same)
	d.run = d.run && len(candidates) == 0
	for _, e := range candidates {
		if d.held.sums[e.uid].Exact == in.Sums().Exact {
			d.run = true
			return in.receipt(copyAt{d.held.validity, e.uid}), nil
		}
	}
	return d.sums[in.Sums().Exact], nil
}

// keep notes a message that goes to the mailbox; forget takes it back.
func (d *dedupe) keep(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	where := m.Mark.Receipt(fmt.Sprintf("0 1+ %d", m.Size))
	if m.ID != "" {
		d.ours[idDigest(m.ID)] = where
	}
	d.sums[m.Sums().Exact] = where
}

func (d *dedupe) forget(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ours, idDigest(m.ID))
	delete(d.sums, m.Sums().Exact)
}

// dedupeBatch is a batch of which some messages are only noted.
type dedupeBatch struct {
	*batch
	d   *dedupe
	has []string // by order of Add: the receipt of a duplicate, "" if staged
}

// Add implements deliver.Batch.
func (b *dedupeBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if b.d.by == SameMessageID && !b.d.tag {
		where, err := b.d.byID(ctx, normalID(e.MessageID))
		if err != nil {
			return err
		}
		if where != "" {
			if _, err := io.Copy(io.Discard, body); err != nil {
				return err
			}
			b.has = append(b.has, where)
			return nil
		}
	}
	if err := b.batch.Add(ctx, e, body); err != nil {
		return err
	}
	m := b.Msgs[len(b.Msgs)-1]
	where := ""
	var err error
	if b.d.by == SameContent {
		where, err = b.d.byContent(ctx, &m.intent)
	}
	if err != nil || where != "" {
		b.Msgs = b.Msgs[:len(b.Msgs)-1]
		b.Staged.Drop(m.Part.Off)
	} else {
		b.d.keep(m)
	}
	if err == nil {
		b.has = append(b.has, where)
	}
	return err
}

// Prepare implements deliver.Batch.
func (b *dedupeBatch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	staged, err := b.batch.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	intents := make([]deliver.Intent, len(b.has))
	for i, where := range b.has {
		if where != "" {
			intents[i] = deliver.Intent{Kind: SkipKind, Receipt: where, Skipped: true}
			continue
		}
		intents[i], staged = staged[0], staged[1:]
	}
	return intents, nil
}

// Publish implements deliver.Batch. A message that did not arrive is no duplicate
// when it comes again.
func (b *dedupeBatch) Publish(ctx context.Context) []deliver.Result {
	published := b.batch.Publish(ctx)
	for _, m := range b.Msgs {
		if !m.Done {
			b.d.forget(m)
		}
	}
	results := make([]deliver.Result, len(b.has))
	for i, where := range b.has {
		if where == "" {
			results[i], published = published[0], published[1:]
		}
	}
	return results
}

// Abort implements deliver.Batch.
func (b *dedupeBatch) Abort() error {
	for _, m := range b.Msgs {
		b.d.forget(m)
	}
	return b.batch.Abort()
}
