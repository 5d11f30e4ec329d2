package jmap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"

	"github.com/mailhaul/mailhaul/deliver/content"
)

// maxHead bounds a header that Heads reads.
const maxHead = 256 << 10

// Sums reads messages that are where their receipts say, several at a time, and calls found
// with the SHA-256 of what Copy would write. Others are left out.
func (r *Reader) Sums(
	ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, sum [sha256.Size]byte, where string),
) {
	r.many(ctx, receipts, func(i int, e *email, at receipt) func() {
		where, sum, err := r.read(ctx, io.Discard, e, at, want[i])
		if err != nil {
			return nil
		}
		return func() { found(i, sum, where) }
	})
}

// Heads is Sums for the header alone.
func (r *Reader) Heads(ctx context.Context, receipts []string, _ [][sha256.Size]byte, found func(i int, head []byte, where string)) {
	r.many(ctx, receipts, func(i int, e *email, at receipt) func() {
		h := new(head)
		h.unix = content.Unix{W: &h.text, Summer: content.New()}
		if err := r.s.get(ctx, h, e.Blob, at.size); err != nil && !errors.Is(err, errEnough) {
			return nil
		}
		return func() { found(i, h.text.Bytes(), r.where(e)) }
	})
}

var errEnough = errors.New("the header is over")

// head keeps a header, with LF line ends.
type head struct {
	unix content.Unix
	text bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	_, _ = h.unix.Write(p)
	if i := bytes.Index(h.text.Bytes(), []byte("\n\n")); i >= 0 {
		h.text.Truncate(i + 2)
		return len(p), errEnough
	}
	if h.text.Len() > maxHead {
		return len(p), errEnough
	}
	return len(p), nil
}

// many calls read for each receipt whose Email is there, several at a time, and what it
// returns one at a time.
func (r *Reader) many(ctx context.Context, receipts []string, read func(i int, e *email, at receipt) func()) {
	var ids []string
	asked := make(map[string][]int)
	parsed := make([]receipt, len(receipts))
	for i, s := range receipts {
		at, err := parseReceipt(s)
		if parsed[i] = at; err == nil && at.email != "" {
			if asked[at.email] == nil {
				ids = append(ids, at.email)
			}
			asked[at.email] = append(asked[at.email], i)
		}
	}
	list, err := r.s.emails(ctx, ids)
	if err != nil {
		return
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, r.s.uploads)
	for _, e := range list {
		if !r.stays(&e) {
			continue
		}
		for _, i := range asked[e.ID] {
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				if done := read(i, &e, parsed[i]); done != nil {
					mu.Lock()
					defer mu.Unlock()
					done()
				}
			})
		}
	}
	wg.Wait()
}
