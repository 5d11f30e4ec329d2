package mbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/mailhaul/mailhaul/deliver"
)

// batch implements deliver.Batch.
type batch struct {
	d        *Deliverer
	path     string
	spool    *spool
	messages []staged
	seen     map[identity]int // how often a message is in the batch
	broken   error            // why only Abort is possible

	t      *target // from Prepare on
	region intent  // what all intents of the batch have in common
}

// identity distinguishes messages in a rewritten file.
type identity struct {
	sep string
	sum [32]byte
}

// Add stages one message in the spool.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if b.broken != nil {
		return b.broken
	}
	m, broken, err := b.spool.add(ctx, b.d.opts.Format, e, body)
	if broken != nil {
		b.broken = ioError(fmt.Errorf("temporary file: %w", broken))
	}
	if err != nil {
		return err
	}
	if b.seen == nil {
		b.seen = make(map[identity]int)
	}
	id := identity{m.sep, m.sum}
	m.nth = b.seen[id]
	b.seen[id]++
	b.messages = append(b.messages, m)
	return nil
}

// Prepare locks the file, and holds the locks until Publish or Abort returns,
// because an intent names an offset.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if b.broken != nil {
		return nil, b.broken
	}
	if len(b.messages) == 0 {
		return nil, nil
	}
	t, err := b.d.lock(ctx, b.path)
	if err != nil {
		return nil, asDeliverError(err)
	}
	b.t = t
	if err := t.dropZeros(0); err != nil {
		return nil, ioError(err)
	}
	if b.region, err = b.plan(); err != nil {
		return nil, ioError(err)
	}
	return b.intents()
}

// plan computes the region that the batch will have.
func (b *batch) plan() (intent, error) {
	size, err := b.t.size()
	if err != nil {
		return intent{}, err
	}
	r := intent{Path: b.path, Place: placeOf(b.path), Format: b.d.opts.Format, Start: size, Token: make([]byte, tokenSize)}
	_, _ = rand.Read(r.Token) // never fails
	if r.Prefix, err = missingNewlines(b.t.f, size); err != nil {
		return intent{}, err
	}
	n := min(size, contextSize)
	if r.Before, err = checksum(b.t.f, size-n, n); err != nil {
		return intent{}, err
	}
	r.Tail, err = b.spool.tail()
	r.End = size + int64(r.Prefix) + b.spool.size
	return r, err
}

func (b *batch) intents() ([]deliver.Intent, error) {
	list := make([]deliver.Intent, 0, len(b.messages))
	in := b.region
	in.Offset = b.region.Start + int64(b.region.Prefix)
	for _, m := range b.messages {
		in.Length, in.CRC, in.Chain, in.Sep, in.Sum, in.Nth, in.Added = m.length, m.crc, m.chain, m.sep, m.sum[:], m.nth, m.added
		i, err := in.encode()
		if err != nil {
			return nil, ioError(err)
		}
		list = append(list, i)
		in.Offset += m.length
	}
	return list, nil
}

// Abort forgets what was staged. The mbox was not written to.
func (b *batch) Abort() error {
	defer b.d.forget(b)
	return b.release()
}

// release gives back locks and the spool. Idempotent.
func (b *batch) release() error {
	var errs []error
	if b.t != nil {
		errs = append(errs, b.t.close())
		b.t = nil
	}
	if b.spool != nil {
		errs = append(errs, b.spool.close())
		b.spool = nil
	}
	b.broken = errors.New("mbox: batch is finished")
	return errors.Join(errs...)
}

// missingNewlines returns how many newlines end the file's last line and make
// it be followed by a blank one.
func missingNewlines(f io.ReaderAt, size int64) (int, error) {
	end := make([]byte, min(size, 2))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	switch s := string(end); {
	case s == "" || s == "\n" || s == "\n\n":
		return 0, nil
	case s[len(s)-1] == '\n':
		return 1, nil
	}
	return 2, nil
}

func asDeliverError(err error) *deliver.Error {
	if e, ok := errors.AsType[*deliver.Error](err); ok {
		return e
	}
	return ioError(err)
}
