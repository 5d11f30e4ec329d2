package pop3

import (
	"cmp"
	"errors"
	"io"
	"strconv"
)

// A lone dot proves nothing: servers that do not dot-stuff end a message at a dot
// of its own text, and others send replies in the wrong order. So a message ends
// only when the next reply was read and is a reply. It is proved when its size is
// that of LIST as well, or when a later checkpoint shows that no reply was skipped
// or made up. A checkpoint is a STAT, whose reply cannot be that of a RETR: it must
// repeat what STAT said at the start of the session.

const (
	checkEvery  = 32        // unproved messages before a checkpoint, at least
	checkOctets = 4 << 20   // listed octets between two of them, where they cost no round trip
	checkBefore = 1 << 20   // listed octets of a message that is worth a round trip for a checkpoint
	maxBetween  = 1000      // messages between two of them
	checkpoint  = int32(-1) // a step that is no message
)

// retrieval is one run of RETR over many messages.
type retrieval struct {
	c     *Client
	msgs  []Message
	fn    RetrieveFunc
	steps []int32 // the commands: index of a message, or checkpoint
	next  int     // the message to ask for next, unless all steps are known
	w     window
	heads int // steps of whose reply the first line was read

	announced int64     // in that line
	refused   *Error    // or the server refused
	enough    error     // ErrEnough: no more RETR
	held      []refusal // not yet passed to fn
	open      unproved
}

// unproved are the messages that may not be whole: those that came since the last
// proof.
type unproved struct {
	last     int32 // the message whose body came last
	ended    *Body // it, until a reply has proved its end
	since    []int32
	measures []Measure // their sizes
}

// any reports whether there are such messages.
func (u *unproved) any() bool { return u.ended != nil || len(u.since) > 0 }

// fits reports whether the message that came last is of its listed size.
func (u *unproved) fits(s *SizeRecord) bool { return u.ended != nil && u.ended.measure().fits(s) }

// refusal is a reply of -ERR that fn did not get yet.
type refusal struct {
	m   Message
	err *Error
}

// Sure reports whether the messages that the current Retrieve, or the last one,
// has read to their end are whole, whatever the session may yet show.
func (c *Client) Sure() bool { return c.retr == nil || len(c.retr.open.since) == 0 }

// SizeRecord is how reliable the server's sizes are: Server.Sizes, updated by this
// session.
func (c *Client) SizeRecord() SizeRecord { return c.sizes }

func (c *Client) retrieve(msgs []Message, fn RetrieveFunc) error {
	r := &retrieval{c: c, msgs: msgs, fn: fn, w: c.window()}
	if r.w.ahead() {
		r.planAhead()
	}
	c.retr = r
	defer c.w.expect(0)
	for step := 0; ; step++ {
		if r.heads == step { // else the end of the body before has read it
			if ok, err := r.head(); !ok {
				return cmp.Or(err, r.enough)
			}
		}
		if i := r.steps[step]; i != checkpoint {
			if err := r.message(i); err != nil {
				return err
			}
		}
		if err := r.release(); err != nil {
			return err
		}
	}
}

// planAhead places the checkpoints among messages that are asked for ahead.
func (r *retrieval) planAhead() {
	every := min(max(checkEvery, len(r.msgs)/64), maxBetween)
	if r.c.s.ProveEach {
		every = 1
	}
	r.steps = make([]int32, 0, len(r.msgs)+len(r.msgs)/every+1)
	n, octets := 0, int64(0)
	for i := range r.msgs {
		r.steps = append(r.steps, int32(i))
		n++
		octets += max(r.msgs[i].Size, 0)
		if n >= every || octets >= checkOctets || i == len(r.msgs)-1 {
			r.steps = append(r.steps, checkpoint)
			n, octets = 0, 0
		}
	}
}

// plan makes sure that the next step is known. False: there is none.
func (r *retrieval) plan() bool {
	switch {
	case r.heads < len(r.steps):
		return true
	case r.w.ahead() && r.enough == nil:
		return false
	case r.wantsCheck():
		r.steps = append(r.steps, checkpoint)
		return true
	case r.next == len(r.msgs):
		return false
	}
	r.steps = append(r.steps, int32(r.next))
	r.next++
	return true
}

// wantsCheck decides, where commands are sent one at a time, whether the messages
// so far are worth a round trip.
func (r *retrieval) wantsCheck() bool {
	n := len(r.steps)
	if n == 0 || r.steps[n-1] == checkpoint {
		return false
	}
	open := len(r.open.since)
	if r.open.ended != nil && (open > 0 || !r.open.fits(&r.c.sizes)) {
		open++
	}
	switch {
	case r.next == len(r.msgs), len(r.held) > 0:
		return true
	case r.c.single, r.c.s.ProveEach:
		return open > 0
	}
	return open >= checkEvery || r.open.ended != nil && r.msgs[r.next].Size >= checkBefore
}

// head sends the next command and reads the first line of its reply, which proves
// the end of the message before. False: nothing is left, or an error.
func (r *retrieval) head() (ok bool, err error) {
	if !r.plan() {
		return false, nil
	}
	c, i := r.c, r.steps[r.heads]
	if c.w.queued == c.w.replies && c.w.unasked() {
		return false, r.disproved(c.failed(r.label(i), errUnsolicited))
	}
	r.queue()
	r.heads++
	if i == checkpoint {
		err := r.check()
		return err == nil, err
	}
	text, err := c.statusWithin("RETR", r.msgs[i].Num, firstByte(c.w.idle, r.msgs[i].Size))
	before := r.refused
	r.announced, r.refused = -1, nil
	if err != nil && !errors.As(err, &r.refused) {
		return false, closedAfter(before, r.broke(err, i))
	}
	r.proved()
	if n, _, ok := number(text); ok && err == nil {
		r.announced = plausible(n)
	}
	return true, nil
}

func (r *retrieval) label(i int32) string {
	if i == checkpoint {
		return "STAT"
	}
	return label("RETR", r.msgs[i].Num)
}

// queue sends the next step, and those that may go ahead of it.
func (r *retrieval) queue() {
	r.c.ahead(&r.w, batch{
		n: len(r.steps),
		command: func(dst []byte, i int) []byte {
			if r.steps[i] == checkpoint {
				return append(dst, "STAT"...)
			}
			return strconv.AppendInt(append(dst, "RETR "...), int64(r.msgs[r.steps[i]].Num), 10)
		},
		octets: func(i int) int64 {
			if r.steps[i] == checkpoint {
				return 0
			}
			return max(r.msgs[r.steps[i]].Size, 0)
		},
	}, r.heads)
	r.c.w.expect(r.w.body)
}

// message hands one message to fn, or keeps its refusal.
func (r *retrieval) message(i int32) error {
	c, m := r.c, r.msgs[i]
	if r.refused != nil {
		r.held = append(r.held, refusal{m, r.refused})
		return nil
	}
	r.open.last = i
	head := r.heads
	b := c.newBody("RETR", m)
	b.m.Announced, b.m.Ahead = r.announced, r.w.ahead() && len(r.msgs) > 1
	b.prove = func() error { return r.prove(b) }
	ferr := r.call(m, b, nil)
	if err := c.rest(b, ferr); err != nil {
		return r.at(err, i)
	}
	switch {
	case ferr == nil:
		return nil
	case r.heads > head && r.steps[head] != checkpoint && r.refused == nil:
		_ = c.broken(ErrAbandoned) // the next body is under way
	}
	return c.stop(ferr)
}

// call calls fn. After ErrEnough no more commands are sent; the replies to those
// that were sent are read, and a checkpoint proves the last of these messages.
func (r *retrieval) call(m Message, body io.Reader, refused error) error {
	err := r.fn(m, body, refused)
	if !errors.Is(err, ErrEnough) {
		return err
	}
	r.enough, r.steps, r.next = ErrEnough, r.steps[:r.w.sent], len(r.msgs)
	return nil
}

// prove is called when the terminator of a body was read.
func (r *retrieval) prove(b *Body) error {
	r.open.ended = b
	_, err := r.head()
	return err
}

// proved notes that a well-formed reply followed the last message.
func (r *retrieval) proved() {
	if r.open.ended == nil {
		return
	}
	m := r.open.ended.measure()
	r.open.ended = nil
	if len(r.open.since) == 0 && m.fits(&r.c.sizes) {
		r.c.sizes.note(m)
		return
	}
	r.open.since = append(r.open.since, r.open.last)
	r.open.measures = append(r.open.measures, m)
}

// release passes refusals to fn, once they cannot be about another message.
func (r *retrieval) release() error {
	for len(r.held) > 0 && len(r.open.since) == 0 {
		h := r.held[0]
		r.held = r.held[1:]
		if err := r.call(h.m, nil, h.err); err != nil {
			if r.heads < r.w.sent {
				_ = r.c.broken(ErrAbandoned)
			}
			return r.c.stop(err)
		}
	}
	return nil
}
