package pop3test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// errInUse is why a second session on an exclusive maildrop is refused.
var errInUse = errors.New("[IN-USE] another session holds this maildrop")

// Maildrop is a mailbox in memory. It is safe for concurrent use, and several
// servers may share one. The exported fields are set before the first session
// and not changed while one is open.
type Maildrop struct {
	// Newest and Oldest, if not 0, limit what a session sees to that many of
	// the last or first messages (WildDuck: Newest 250; Gmail: Oldest 250).
	Newest, Oldest int
	// Gmail makes a message vanish from later sessions once it was retrieved
	// with RETR in a session that ended with QUIT. The user name
	// "recent:USER" shows such messages again.
	Gmail bool
	// HashedUIDs gives a message without a uid of its own one that is made of
	// its header, as popa3d, solid-pop3d and tpop3d do: equal headers have equal
	// ones.
	HashedUIDs bool
	// Exclusive allows one session at a time; a second one is refused with
	// [IN-USE] (RFC 2449 section 8.1.2).
	Exclusive bool

	mu    sync.Mutex
	msgs  []*stored
	added int
	held  int
}

// stored is one message. The body is never changed, so sessions share it.
type stored struct {
	id     int
	uid    string
	body   []byte
	popped bool
}

// Message is a copy of one entry of a maildrop. Body must not be changed.
type Message struct {
	UID    string
	Body   []byte
	Popped bool
}

// Add appends a message, exactly these bytes. Lines end in CRLF; what does not
// is sent as it is. An empty uid means a generated, unique one. Equal uids are
// allowed. The maildrop keeps the slice: the caller must not change it.
func (d *Maildrop) Add(uid string, message []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.insert(len(d.msgs), uid, message)
}

// Insert is Add in front of message i, counted from 0: not all servers list
// what is new last.
func (d *Maildrop) Insert(i int, uid string, message []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.insert(i, uid, message)
}

func (d *Maildrop) insert(i int, uid string, message []byte) {
	d.added++
	if uid == "" && d.HashedUIDs {
		head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
		uid = fmt.Sprintf("%x", md5.Sum(head))
	}
	if uid == "" {
		uid = fmt.Sprintf("%08x4d61696c", d.added)
	}
	d.msgs = slices.Insert(d.msgs, i, &stored{id: d.added, uid: uid, body: message})
}

// Remove takes message i, counted from 0, away, as another client does.
func (d *Maildrop) Remove(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.msgs = slices.Delete(d.msgs, i, i+1)
}

// AddAll adds each message under a generated uid.
func (d *Maildrop) AddAll(messages [][]byte) {
	for _, m := range messages {
		d.Add("", m)
	}
}

// Messages returns what is in the maildrop now, whatever window or Gmail mode
// would show of it.
func (d *Maildrop) Messages() []Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Message, 0, len(d.msgs))
	for _, m := range d.msgs {
		out = append(out, Message{UID: m.uid, Body: m.body, Popped: m.popped})
	}
	return out
}

// Len is the number of messages in the maildrop, listed or not.
func (d *Maildrop) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.msgs)
}

// Rename gives each message the uid that fn makes of its old one, as a server
// migration does. Sessions under way keep the old ones.
func (d *Maildrop) Rename(fn func(uid string) string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, m := range d.msgs {
		c := *m
		c.uid = fn(m.uid)
		d.msgs[i] = &c
	}
}

// open starts a session: the messages it sees are fixed now (RFC 1939
// section 3). Each successful open is followed by one release.
func (d *Maildrop) open(recent bool) ([]*stored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Exclusive && d.held > 0 {
		return nil, errInUse
	}
	d.held++
	var list []*stored
	for _, m := range d.msgs {
		if !m.popped || recent {
			list = append(list, m)
		}
	}
	if d.Newest > 0 && len(list) > d.Newest {
		list = list[len(list)-d.Newest:]
	}
	if d.Oldest > 0 && len(list) > d.Oldest {
		list = list[:d.Oldest]
	}
	return list, nil
}

func (d *Maildrop) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held--
}

// update is the UPDATE state: only QUIT calls it (RFC 1939 section 6).
func (d *Maildrop) update(gone, popped map[int]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := make([]*stored, 0, len(d.msgs))
	for _, m := range d.msgs {
		if gone[m.id] {
			continue
		}
		if d.Gmail && popped[m.id] {
			m.popped = true
		}
		kept = append(kept, m)
	}
	d.msgs = kept
}
