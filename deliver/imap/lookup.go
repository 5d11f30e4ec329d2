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
	"github.com/mailhaul/mailhaul/deliver/remote"
)

const (
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
	remote.View[uint32]
	validity, from uint32
	entries        []entry // by UID
	sums           map[uint32]content.Sums
	left           int // messages that the server cannot hand out, of which nothing is known
	claims         *remote.Claims[uint32]
}

// snapshot opens the mailbox and lists it; from 1 if UIDVALIDITY is another one.
func (c *conn) snapshot(ctx context.Context, validity, from uint32) (*snapshot, error) {
	fault.Point("imap.look")
	if c.dead != nil {
		if err := c.again(ctx, c.box.name); err != nil {
			return nil, err
		}
	}
	if err := c.open("EXAMINE"); err != nil {
		return nil, err
	}
	if c.box.validity != validity {
		from = 1
	}
	s := &snapshot{claims: c.o.claims, validity: c.box.validity, from: from, sums: make(map[uint32]content.Sums)}
	if c.box.exists == 0 { // some refuse to list nothing
		return s, nil
	}
	var err error
	if err = c.o.claims.Refresh(); err != nil {
		c.o.Logger.Warn("which messages are whose in the mailbox could not be read", "err", err)
	}
	err = c.list(s, from, "*")
	if err != nil && c.brokeOff() {
		if err = c.again(ctx, c.box.name); err == nil {
			err = c.listApart(ctx, s)
		}
	}
	slices.SortFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.uid, b.uid) })
	s.entries = slices.CompactFunc(s.entries, func(a, b entry) bool { return a.uid == b.uid })
	return s, err
}

// list adds what the mailbox holds of a range of UIDs.
func (c *mailbox) list(s *snapshot, from uint32, to string) error {
	const items = "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
	return c.fetch(from, to, items, func(e entry) {
		if e.uid >= s.from { // "9:*" also names the last one below 9
			s.entries = append(s.entries, e)
		}
	})
}

// fetch asks for items of all messages of a range of UIDs. A server may answer for the
// newest of them and say so (MESSAGELIMIT, RFC 9738; Yahoo): then it is asked for the others.
func (c *mailbox) fetch(from uint32, to, items string, each func(entry)) error {
	last := uint32(0)
	for from = max(from, 1); ; {
		low := uint32(0)
		r, err := c.command("FETCH", fmt.Sprintf("UID FETCH %d:%s %s", from, to, items), func(r *reply) {
			if e, ok := entryOf(r); ok {
				if each(e); low == 0 || e.uid < low {
					low = e.uid
				}
			}
		})
		switch {
		case r == nil || r.code != "MESSAGELIMIT":
			return err
		case low == 0 || last > 0 && low >= last:
			return &refusal{"FETCH", r} // what it has not answered for is not absent
		case low <= from:
			return nil
		}
		last, to = low, strconv.FormatUint(uint64(low-1), 10)
	}
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
			set = slices.DeleteFunc(set, func(uid uint32) bool { _, known := s.sums[uid]; return known })
			err = c.apart(ctx, set, 1, func(part []uint32) error { return c.readSet(s, part, 4*largest+1<<20) },
				func(uid uint32, _ error) { s.sums[uid] = remote.Unserved })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noBody is the size of a text that a reply does not have, and of one that is NIL: the
// server does not hand it out.
const (
	noBody  = -2
	nilBody = -1
)

// bodies fetches the text of messages, or a section of it. text gets each, then done its UID
// and size.
func (c *mailbox) bodies(uids []uint32, section string, text func(size int64, r io.Reader) error, done func(uid uint32, size int64)) error {
	size := int64(noBody)
	tag := c.sendAs("FETCH", "UID FETCH "+setOf(uids)+" (UID BODY.PEEK["+section+"])", "")
	_, err := c.finish("FETCH", tag, func(r *reply) {
		if e, ok := entryOf(r); ok {
			done(e.uid, size)
		}
		size = noBody
	}, func(n int64, r io.Reader) error {
		size = n
		return text(n, r)
	})
	return err
}

// readSet reads messages, each at most so large, and sums them up.
func (c *mailbox) readSet(s *snapshot, uids []uint32, most int64) error {
	sum := content.New()
	return c.bodies(uids, "", func(n int64, r io.Reader) error {
		if n > most {
			return fmt.Errorf("%w: a message of %d octets where one of %d was expected", errProtocol, n, most)
		}
		sum.Reset()
		_, err := io.CopyBuffer(sum, r, c.scratch())
		return err
	}, func(uid uint32, size int64) {
		switch {
		case size >= 0:
			s.sums[uid] = sum.Sums()
		case size == nilBody:
			s.sums[uid] = remote.Unserved
		}
	})
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

// found is where a message is: its UID.
type found = remote.Found[uint32]

// find decides whether the message of in is in the mailbox; the sums of its candidates are
// read. What others own is not ours.
func (s *snapshot) find(in *intent) found {
	var copies []remote.Copy[uint32]
	for _, e := range s.candidates(in) {
		if sums, ok := s.sums[e.uid]; ok && (s.claims == nil || s.claims.Free(space(s.validity), e.uid, in.Batch)) {
			copies = append(copies, remote.Copy[uint32]{Key: e.uid, Sums: sums, Twin: e.id == idDigest(in.ID) && e.date == in.Date})
		}
	}
	return s.Find(&in.Mark, copies, s.validity == in.Validity)
}

// look finds out which of the messages the mailbox has. What is not there yet is
// looked for again, if wait is set, until a session that broke off can store nothing any more.
func (c *conn) look(ctx context.Context, want []*intent, wait bool) (s *snapshot, err error) {
	defer c.watch(ctx)()
	first := slices.MinFunc(want, func(a, b *intent) int { return cmp.Compare(a.Next, b.Next) })
	settle := c.o.Settle
	if !wait {
		settle = 0
	}
	settled, err := remote.Await(ctx, settle, func() (bool, error) {
		if s, err = c.snapshot(ctx, first.Validity, first.Next); err == nil {
			err = c.readCandidates(ctx, s, want)
		}
		return err == nil && slices.ContainsFunc(want, func(in *intent) bool { return in.Young() && !s.find(in).OK }), err
	})
	if err != nil {
		return nil, c.o.failed(err)
	}
	s.Settled = settled
	return s, nil
}
