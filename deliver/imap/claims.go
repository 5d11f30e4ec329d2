package imap

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Claims is the path of a file of remote.Claims; empty: none. The space of UIDs is
// UIDVALIDITY. A server without UIDPLUS does not tell the UIDs: what was delivered there
// without trouble is not written down.
type Claims string

func newClaims(path Claims) *remote.Claims[uint32] {
	return &remote.Claims[uint32]{Path: string(path), Point: "imap.claim", Parse: func(s string) (uint32, error) {
		n, err := strconv.ParseUint(s, 10, 32)
		return uint32(n), err
	}}
}

// space is the one of the UIDs under a UIDVALIDITY.
func space(validity uint32) string { return strconv.FormatUint(uint64(validity), 10) }

// ours finds the message of in. The copy stands for it from now on, and for no other.
func (t *Target) ours(s *snapshot, in *intent) (found, error) {
	at, err := t.o.claims.Take(space(s.validity), in.Batch, func() (found, error) { return s.find(in), nil })
	if err != nil {
		return at, t.o.failure(deliver.IOError, CauseOther, "", err)
	}
	if at.Changed {
		t.o.Logger.Warn("the server has changed a message that it stored", "mailbox", t.o.Mailbox, "uid", at.At, "message-id", in.ID)
	}
	return at, nil
}

// claim notes the copies of a batch that was published. One that a recovery of another
// account has taken for its own before is not ours: the message is delivered again.
func (t *Target) claim(b *batch) {
	byValidity := make(map[uint32][]uint32)
	for _, m := range b.Msgs {
		if m.Done && m.place.uid != 0 {
			byValidity[m.place.validity] = append(byValidity[m.place.validity], m.place.uid)
		}
	}
	for validity, uids := range byValidity {
		slices.Sort(uids)
		if err := t.o.claims.Add(space(validity), setOf(uids), b.Msgs[0].Batch); err != nil {
			t.o.Logger.Warn("which messages are in the mailbox could not be written down", "err", err)
		}
	}
	for _, m := range b.Msgs {
		if m.Done && m.place.uid != 0 && !t.o.claims.Free(space(m.place.validity), m.place.uid, m.Batch) {
			m.Done = false
			m.Err = t.o.failure(deliver.Later, InDoubt, StageAppend, errors.New("a recovery of another account has found this copy first"))
		}
	}
}

// uidSet reads a set of at most n UIDs; false if it is none.
func uidSet(set string, n int) (uids []uint32, ok bool) {
	for _, part := range strings.Split(set, ",") {
		from, to, _ := strings.Cut(part+":"+part, ":")
		if i := strings.IndexByte(to, ':'); i >= 0 {
			to = to[:i]
		}
		first, err1 := strconv.ParseUint(from, 10, 32)
		last, err2 := strconv.ParseUint(to, 10, 32)
		if err1 != nil || err2 != nil || first == 0 || last < first || last-first >= uint64(n) {
			return nil, false
		}
		for ; first <= last; first++ {
			uids = append(uids, uint32(first))
		}
	}
	return uids, len(uids) <= n
}
