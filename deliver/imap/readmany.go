package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/content"
)

// What of headers is held at once, and of one; larger ones are left to Copy.
const (
	maxHeads = 4 << 20
	maxHead  = 256 << 10
)

// Sums reads the messages of receipts, many in a round trip, and calls found for each
// that is where its receipt says: i is the one of receipts, where is as in Copy, and want
// has the sums that Copy would get. The others are left to Copy, and so is each error.
func (r *Reader) Sums(ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, sum [sha256.Size]byte, where string)) {
	s := &snapshot{sums: make(map[uint32]content.Sums)}
	r.many(ctx, receipts, func(uids []uint32, largest int64) error {
		return r.c.readSet(s, uids, 4*largest+1<<20)
	}, func(i int, at receipt) {
		if have, ok := s.sums[at.uid]; ok {
			found(i, have.Exact, r.where(at.uid)+at.changes(have, want[i]))
		}
	})
}

// Heads is Sums for the headers of messages.
func (r *Reader) Heads(ctx context.Context, receipts []string, found func(i int, head []byte, where string)) {
	heads := make(map[uint32][]byte)
	r.many(ctx, receipts, func(uids []uint32, _ int64) error {
		clear(heads)
		return r.c.readHeads(heads, uids)
	}, func(i int, at receipt) {
		if head := heads[at.uid]; head != nil {
			found(i, head, r.where(at.uid))
		}
	})
}

// many calls read for sets of the UIDs that receipts have, until it fails, and after each
// set done for the receipts of that set.
func (r *Reader) many(ctx context.Context, receipts []string, read func(uids []uint32, largest int64) error, done func(i int, at receipt)) {
	defer r.c.watch(ctx)()
	if r.gone || r.c.dead != nil || r.enter(r.boxes[0]) != nil {
		return
	}
	asked := make(map[uint32][]int)
	parsed := make([]receipt, len(receipts))
	for i, s := range receipts {
		at, err := parseReceipt(s)
		if parsed[i] = at; err == nil && at.uid != 0 && at.validity == r.c.box.validity {
			asked[at.uid] = append(asked[at.uid], i)
		}
	}
	for uids := slices.Sorted(maps.Keys(asked)); len(uids) > 0; {
		set := short(uids)
		uids = uids[len(set):]
		largest := int64(0)
		for _, uid := range set {
			for _, i := range asked[uid] {
				largest = max(largest, parsed[i].size)
			}
		}
		err := read(set, largest)
		for _, uid := range set { // also of a set that broke off
			for _, i := range asked[uid] {
				done(i, parsed[i])
			}
		}
		if err != nil {
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

func (r *Reader) where(uid uint32) string { return fmt.Sprintf("%s uid %d", nameOf(r.opened), uid) }

// readHeads reads the headers of messages.
func (c *conn) readHeads(heads map[uint32][]byte, uids []uint32) error {
	var head []byte
	left := int64(maxHeads)
	tag := c.sendAs("FETCH", "UID FETCH "+setOf(uids)+" (UID BODY.PEEK[HEADER])", "")
	_, err := c.finish("FETCH", tag, func(f *reply) {
		if e, ok := entryOf(f); ok && head != nil {
			heads[e.uid] = head
		}
		head = nil
	}, func(n int64, body io.Reader) error {
		if left -= n; n > maxHead || left < 0 {
			return nil
		}
		raw, err := io.ReadAll(body)
		head = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
		return err
	})
	return err
}
