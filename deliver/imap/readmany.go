package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// What of headers is held at once, and of one; larger ones are left to Copy.
const (
	maxHeads = 4 << 20
	maxHead  = 256 << 10
)

// wanted is the message of receipt i of a list.
type wanted struct {
	i int
	receipt
}

// Sums reads the messages of receipts, many in a round trip, and calls found for each
// that is where its receipt says, or just as it was delivered in another mailbox: i is the
// one of receipts, where is as in Copy, and want has the sums of what was delivered. The
// others are left to Copy, and so is each error.
func (r *Reader) Sums(
	ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, sum [sha256.Size]byte, where string),
) {
	defer r.c.watch(ctx)()
	s := &snapshot{sums: make(map[uint32]content.Sums)}
	left := r.many(r.boxes[0], r.parse(receipts), func(uids []uint32, largest int64) error {
		return r.c.readSet(s, uids, 4*largest+1<<20)
	}, func(w wanted) bool {
		have, ok := s.sums[w.uid]
		if ok = ok && have != remote.Unserved; ok {
			found(w.i, have.Exact, r.where(w.uid)+w.Changes(have, want[w.i]))
		}
		return ok
	})
	r.moved(ctx, left, want, func(w wanted, wire string) { found(w.i, want[w.i], whereIn(wire, w.uid)) })
}

// Heads is Sums for the headers of messages.
func (r *Reader) Heads(ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, head []byte, where string)) {
	defer r.c.watch(ctx)()
	var heads map[uint32][]byte
	read := func(uids []uint32, _ int64) error {
		heads = make(map[uint32][]byte)
		return r.readHeads(heads, uids)
	}
	done := func(w wanted) bool {
		head := heads[w.uid]
		if head != nil {
			found(w.i, head, r.where(w.uid))
		}
		return head != nil
	}
	left := r.many(r.boxes[0], r.parse(receipts), read, done)
	moved := make(map[string][]wanted)
	r.moved(ctx, left, want, func(w wanted, wire string) { moved[wire] = append(moved[wire], w) })
	for _, wire := range r.boxes {
		if len(moved[wire]) > 0 {
			r.many(wire, moved[wire], read, done)
		}
	}
}

func (r *Reader) parse(receipts []string) (list []wanted) {
	for i, s := range receipts {
		if at, err := parseReceipt(s); err == nil {
			list = append(list, wanted{i, at})
		}
	}
	return list
}

// many calls read for sets of the UIDs of list in a mailbox, until it fails, and after each
// set done for its messages. It returns those that done is false for, or was not called.
func (r *Reader) many(wire string, list []wanted, read func(uids []uint32, largest int64) error, done func(wanted) bool) (left []wanted) {
	if r.c.dead != nil || wire == r.boxes[0] && r.gone || r.enter(wire) != nil {
		return list
	}
	asked := make(map[uint32][]wanted)
	for _, w := range list {
		if w.uid != 0 && w.validity == r.c.box.validity {
			asked[w.uid] = append(asked[w.uid], w)
		} else {
			left = append(left, w)
		}
	}
	var err error
	for uids := slices.Sorted(maps.Keys(asked)); len(uids) > 0; {
		set := short(uids)
		uids = uids[len(set):]
		largest := int64(0)
		for _, uid := range set {
			largest = max(largest, asked[uid][0].size)
		}
		if err == nil {
			err = read(set, largest)
		}
		for _, uid := range set { // also of a set that broke off
			left = append(left, slices.DeleteFunc(asked[uid], done)...)
		}
	}
	return left
}

// moved looks for messages in all mailboxes, and calls found for each that is there just
// as it was delivered, with its UID.
func (r *Reader) moved(ctx context.Context, left []wanted, want [][sha256.Size]byte, found func(w wanted, wire string)) {
	for i := 0; i < len(r.boxes) && len(left) > 0 && r.c.dead == nil; i++ {
		if i == 0 && r.gone {
			continue
		}
		at := make([]receipt, len(left))
		for k, w := range left {
			at[k] = w.receipt
		}
		s, err := r.matching(ctx, r.boxes[i], at...)
		if err != nil && !(i > 0 && errors.As(err, new(*refusal))) {
			return
		}
		if err == nil {
			left = slices.DeleteFunc(left, func(w wanted) bool {
				for _, e := range s.candidates(w.any()) {
					if s.sums[e.uid].Exact == want[w.i] {
						w.uid, w.validity = e.uid, s.validity
						found(w, r.boxes[i])
						return true
					}
				}
				return false
			})
		}
		if len(left) > 0 {
			_, err = r.list()
		}
		if err != nil && r.c.dead != nil {
			return
		}
	}
}

// short is as many of the UIDs as fit into one command, which should not be longer than
// 1,000 octets (RFC 2683 section 3.2.1.5).
func short(uids []uint32) []uint32 {
	for len(setOf(uids)) > 900 {
		uids = uids[:len(uids)/2]
	}
	return uids
}

func (r *Reader) where(uid uint32) string { return whereIn(r.opened, uid) }

// readHeads reads the headers of messages.
func (r *Reader) readHeads(heads map[uint32][]byte, uids []uint32) error {
	var head []byte
	left := int64(maxHeads)
	return r.c.bodies(uids, "HEADER", func(n int64, body io.Reader) error {
		if left -= n; n > maxHead || left < 0 {
			head = nil
			return nil
		}
		raw, err := io.ReadAll(body)
		head = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
		return err
	}, func(uid uint32, size int64) {
		if size != noBody && head != nil {
			heads[uid] = head
		}
	})
}
