package imap

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// lookAgain is how often a mailbox is looked at while a session may still store.
	lookAgain = time.Second
	// oldIntent is the age from which no session is left that might.
	oldIntent = 10 * time.Minute
	// fetchSet is how many messages are read with one command.
	fetchSet = 100
)

// entry is one message of a mailbox.
type entry struct {
	uid  uint32
	size int64
	date int64   // INTERNALDATE in seconds
	id   [8]byte // digest of the Message-ID; zero: none
}

func idDigest(id string) (d [8]byte) {
	if id == "" {
		return d
	}
	sum := sha256.Sum256([]byte(id))
	return [8]byte(sum[:8])
}

// snapshot is what a mailbox held from one UID on.
type snapshot struct {
	validity, from uint32
	entries        []entry // by UID
	sums           map[uint32]content.Sums
	left           int               // messages that the server cannot hand out, of which nothing is known
	owner          map[uint32]string // whose the copies are, see Claims
	settled        bool              // no session that broke off can still store
	faithful       bool              // a message is in it just as it was sent
}

// snapshot opens the mailbox and lists it; from 1 if UIDVALIDITY is another one.
func (c *conn) snapshot(ctx context.Context, validity, from uint32) (*snapshot, error) {
	fault.Point("imap.look")
	if c.dead != nil {
		if err := c.again(ctx, c.box.wire); err != nil {
			return nil, err
		}
	}
	if err := c.open("EXAMINE"); err != nil {
		return nil, err
	}
	if c.box.validity != validity {
		from = 1
	}
	s := &snapshot{validity: c.box.validity, from: from, sums: make(map[uint32]content.Sums)}
	if c.box.exists == 0 { // some refuse to list nothing
		return s, nil
	}
	var err error
	if s.owner, err = c.o.Claims.first(s.validity, 0); err != nil {
		c.o.Logger.Warn("which messages are whose in the mailbox could not be read", "err", err)
	}
	err = c.list(s, rangeOf(from))
	if err != nil && c.brokeOff() {
		if err = c.again(ctx, c.box.wire); err == nil {
			err = c.listApart(ctx, s)
		}
	}
	slices.SortFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.uid, b.uid) })
	s.entries = slices.CompactFunc(s.entries, func(a, b entry) bool { return a.uid == b.uid })
	return s, err
}

// list adds what the mailbox holds of a set of UIDs.
func (c *conn) list(s *snapshot, set string) error {
	const items = "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
	_, err := c.command("FETCH", "UID FETCH "+set+" "+items, func(r *reply) {
		if e, ok := entryOf(r); ok && e.uid >= s.from { // "9:*" also names the last one below 9
			s.entries = append(s.entries, e)
		}
	})
	return err
}

// entryOf reads the FETCH data of one message.
func entryOf(r *reply) (e entry, ok bool) {
	if r.name != "FETCH" || len(r.vals) != 1 {
		return e, false
	}
	vals := r.vals[0].list
	for i := 0; i+1 < len(vals); i += 2 {
		key, v := strings.ToUpper(vals[i].s), vals[i+1]
		switch {
		case key == "UID":
			n, _ := v.number()
			e.uid = uint32(n)
		case key == "RFC822.SIZE":
			n, _ := v.number()
			e.size = int64(n)
		case key == "INTERNALDATE":
			at, _ := time.Parse(strings.Trim(dateFormat, `"`), v.s)
			e.date = at.Unix()
		case strings.HasPrefix(key, "BODY["):
			e.id = idDigest(fieldID(v.String()))
		}
	}
	return e, e.uid != 0
}

// fieldID is the first Message-ID of a header.
func fieldID(header string) string {
	_, value, ok := strings.Cut(header, ":")
	if !ok {
		return ""
	}
	lines := strings.SplitAfter(value, "\n")
	n := 1
	for n < len(lines) && strings.TrimLeft(lines[n], " \t") != lines[n] {
		n++
	}
	return normalID(strings.Join(lines[:n], ""))
}

// candidates are messages that may be the one of in.
func (s *snapshot) candidates(in *intent) (out []entry) {
	from, id := in.Next, idDigest(in.ID)
	if s.validity != in.Validity {
		from = 0
	}
	for _, e := range s.entries {
		sameID := e.id == id && in.ID != ""
		if e.uid >= from && (sameID && e.size <= 2*in.Size+bufferSize || e.size == in.Size) {
			out = append(out, e)
		}
	}
	return out
}

// readCandidates completes the sums of all candidates.
func (c *conn) readCandidates(ctx context.Context, s *snapshot, want []*intent) error {
	var uids []uint32
	largest := int64(0)
	for _, in := range want {
		for _, e := range s.candidates(in) {
			if _, known := s.sums[e.uid]; !known {
				uids = append(uids, e.uid)
				largest = max(largest, e.size, in.Size)
			}
		}
	}
	slices.Sort(uids)
	for set := range slices.Chunk(slices.Compact(uids), fetchSet) {
		err := c.readSet(s, set, 4*largest+1<<20)
		if err != nil && (c.brokeOff() || errors.As(err, new(*refusal))) {
			err = c.readApart(ctx, s, set, 4*largest+1<<20)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSet reads messages, each at most so large, and sums them up.
func (c *conn) readSet(s *snapshot, uids []uint32, most int64) error {
	sum := content.New()
	got, none := false, false
	tag := c.sendAs("FETCH", "UID FETCH "+setOf(uids)+" (UID BODY.PEEK[])", "")
	_, err := c.finish("FETCH", tag, func(r *reply) {
		switch e, ok := entryOf(r); {
		case ok && got && none:
			s.sums[e.uid] = unserved
		case ok && got:
			s.sums[e.uid] = sum.Sums()
		}
		got = false
	}, func(n int64, r io.Reader) error {
		if n > most {
			return fmt.Errorf("%w: a message of %d octets where one of %d was expected", errProtocol, n, most)
		}
		sum.Reset()
		got, none = true, n < 0
		_, err := io.CopyBuffer(sum, r, c.scratch())
		return err
	})
	return err
}

// setOf writes sorted UIDs as a set.
func setOf(uids []uint32) string {
	var text []string
	for i := 0; i < len(uids); {
		last := i
		for last+1 < len(uids) && uids[last+1] == uids[last]+1 {
			last++
		}
		part := strconv.FormatUint(uint64(uids[i]), 10)
		if last > i {
			part += ":" + strconv.FormatUint(uint64(uids[last]), 10)
		}
		text, i = append(text, part), last+1
	}
	return strings.Join(text, ",")
}

// found is where a message is.
type found struct {
	receipt
	rewritten bool // the server has changed it
	anew      bool // of its content nothing is known: it has its Message-ID and date
}

// find decides by content whether the message of in is in the mailbox; its sums are
// read. Equal messages arrive in the order of Nth.
func (s *snapshot) find(in *intent) (found, bool) {
	want := in.Sums()
	n := 0
	var others []entry
	for _, e := range s.candidates(in) {
		have, ok := s.sums[e.uid]
		owner, taken := s.owner[e.uid]
		switch {
		case !ok || taken && owner != in.Batch:
		case have.Loose == want.Loose:
			s.faithful = s.faithful || have.Exact == want.Exact
			if n == in.Nth {
				return found{receipt: receipt{validity: s.validity, uid: e.uid}, rewritten: have.Exact != want.Exact}, true
			}
			n++
		case e.id == idDigest(in.ID) && e.date == in.Date:
			others = append(others, e)
		}
	}
	// A server that makes a message anew (Exchange) leaves Message-ID and date. One that
	// cannot hand a message out does not say what is in it.
	if in.Alone && len(others) == 1 && s.validity == in.Validity && (!s.faithful || s.sums[others[0].uid] == unserved) {
		return found{receipt{validity: s.validity, uid: others[0].uid}, true, true}, true
	}
	return found{}, false
}

// look finds out which of the messages the mailbox has. What is not there yet is
// looked for again, if wait is set, until a session that broke off can store nothing any more.
func (c *conn) look(ctx context.Context, want []*intent, wait bool) (*snapshot, error) {
	defer c.watch(ctx)()
	from := want[0].Next
	for _, in := range want {
		from = min(from, in.Next)
	}
	for end := time.Now().Add(c.o.Settle); ; {
		s, err := c.snapshot(ctx, want[0].Validity, from)
		if err == nil {
			err = c.readCandidates(ctx, s, want)
		}
		if err != nil {
			return nil, c.o.failed(err)
		}
		left := time.Until(end)
		if s.settled = left <= 0 || !wait; s.settled || !s.pending(want) {
			return s, nil
		}
		if err := pause(ctx, min(left, lookAgain)); err != nil {
			return nil, c.o.failed(err)
		}
	}
}

// pending reports whether a message is not there that a session may still store.
func (s *snapshot) pending(want []*intent) bool {
	return slices.ContainsFunc(want, func(in *intent) bool {
		_, ok := s.find(in)
		return !ok && time.Since(in.At) < oldIntent
	})
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
