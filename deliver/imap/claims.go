package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// Several accounts may deliver to one mailbox, and the same bytes. What a recovery
// finds may then be another account's message. So all that deliver to a mailbox
// write down which copies stand for their messages, and a copy stands for one message
// only. The file is only added to, and the first line that names a UID counts: that needs no lock.
//
// It is not synced: after a power loss, the last lines may be lacking. A server without UIDPLUS
// does not tell the UIDs: what was delivered there without trouble is not written down.

// Claims is the path of that file; empty: none. A line has UIDVALIDITY, UIDs, whose
// they are: the batch of the messages, and a dot: without it, it is not whole.
type Claims string

// first returns whose the copies under one UIDVALIDITY are, as written from an offset on.
func (path Claims) first(validity uint32, from int64) (map[uint32]string, error) {
	owner := make(map[uint32]string)
	if path == "" {
		return owner, nil
	}
	f, err := os.Open(string(path))
	if errors.Is(err, fs.ErrNotExist) {
		return owner, nil
	}
	if err != nil {
		return owner, err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return owner, err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		if len(field) != 4 || field[3] != "." || field[0] != strconv.FormatUint(uint64(validity), 10) {
			continue
		}
		uids, _ := uidSet(field[1], maxClaim)
		for _, uid := range uids {
			if _, known := owner[uid]; !known {
				owner[uid] = field[2]
			}
		}
	}
	return owner, lines.Err()
}

// maxClaim bounds the UIDs of one line, maxLine what a power loss may have made of one.
const (
	maxClaim = 100_000
	maxLine  = 16 << 20
)

// size is where the next line goes.
func (path Claims) size() int64 {
	info, err := os.Stat(string(path))
	if err != nil {
		return 0
	}
	return info.Size()
}

// add claims copies for a batch.
func (path Claims) add(validity uint32, uids []uint32, batch string) error {
	if path == "" || len(uids) == 0 {
		return nil
	}
	if err := fault.Error("imap.claim"); err != nil {
		return err
	}
	f, err := os.OpenFile(string(path), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(string(path)), 0o700); err == nil {
			f, err = os.OpenFile(string(path), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		}
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%d %s %s .\n", validity, setOf(uids), batch) // behind what a full disk left of a line
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}

// ours finds the message of in. The copy stands for it from now on, and for no other.
func (t *Target) ours(s *snapshot, in *intent) (found, error) {
	for {
		at := s.find(in)
		if _, known := s.owner[at.At]; !at.OK || known || t.o.Claims == "" {
			if at.Changed {
				t.o.Logger.Warn("the server has changed a message that it stored", "mailbox", t.o.Mailbox, "uid", at.At, "message-id", in.ID)
			}
			return at, nil
		}
		err := t.o.Claims.add(s.validity, []uint32{at.At}, in.Batch)
		if err == nil {
			s.owner, err = t.o.Claims.first(s.validity, 0)
		}
		if _, known := s.owner[at.At]; err == nil && !known {
			err = fmt.Errorf("%s: uid %d was written down and is not there", t.o.Claims, at.At)
		}
		if err != nil {
			return found{}, t.o.failure(deliver.IOError, CauseOther, "", err)
		}
	}
}

// claim notes the copies of a batch that was published. One that a recovery of another
// account has taken for its own before is not ours: the message is delivered again.
func (t *Target) claim(b *batch, since int64) {
	byValidity, id := make(map[uint32][]uint32), b.Msgs[0].Batch
	for _, m := range b.Msgs {
		if m.Done && m.place.uid != 0 {
			byValidity[m.place.validity] = append(byValidity[m.place.validity], m.place.uid)
		}
	}
	for validity, uids := range byValidity {
		slices.Sort(uids)
		err := t.o.Claims.add(validity, uids, id)
		owner, rerr := t.o.Claims.first(validity, since)
		if err = errors.Join(err, rerr); err != nil {
			t.o.Logger.Warn("which messages are in the mailbox could not be written down", "err", err)
		}
		for _, m := range b.Msgs {
			if whose, known := owner[m.place.uid]; m.Done && m.place.validity == validity && known && whose != id {
				m.Done = false
				m.Err = t.o.failure(deliver.Later, InDoubt, StageAppend, errors.New("a recovery of another account has found this copy first"))
			}
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
