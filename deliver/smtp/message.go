package smtp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// earlyReply is how long we look for the reply of a relay that stopped
// reading in the middle of a message.
const earlyReply = time.Second

// message sends the message and reads what became of it.
func (t *transaction) message(accepted []int) {
	fault.Point("smtp.data")
	if !t.send(accepted) {
		return
	}
	n := 1
	if t.o.LMTP {
		n = len(accepted)
	}
	replies, lost := t.finals(n)
	t.await(false)
	fault.Point("smtp.accepted")
	if !t.dead && slices.ContainsFunc(replies, reply.negative) {
		if late, sure := t.resync(); sure {
			replies = inStep(replies, late)
		} else {
			replies = inDoubt(replies, late)
		}
	}
	for k, i := range accepted {
		switch k = min(k, n-1); {
		case k < len(replies):
			t.settle(i, replies[k])
		default:
			t.out[i] = outcome{err: lost}
		}
	}
}

// finals reads the replies to the message: SMTP's one for all recipients, or
// LMTP's for each, in the order of the accepted RCPTs (RFC 2033 section 4.2).
// lost says why there are less. A 421 ends the session, but a server that has
// delivered to others by then may still say so: not to hear it would give
// these the message twice.
func (t *transaction) finals(n int) (replies []reply, lost *deliver.Error) {
	for len(replies) < n && lost == nil {
		if t.closed {
			t.arm(earlyReply)
		} else {
			t.await(true)
			t.arm(t.o.FinalTimeout)
		}
		var r reply
		if r, lost = t.read(phaseDot); lost == nil {
			replies = append(replies, r)
		}
	}
	return replies, lost
}

// inStep returns the replies to the final dot, given those that came first and
// those that came late, before the answer to QUIT. One too many means that the
// first came before the dot. More than that, and nobody knows which is
// which: then nobody has the message.
func inStep(replies, late []reply) []reply {
	switch len(late) {
	case 0:
		return replies
	case 1:
		return append(replies[1:], late[0])
	}
	no := replies[slices.IndexFunc(replies, reply.negative)]
	return slices.Repeat([]reply{no}, len(replies))
}

// inDoubt is inStep where the last of the late replies may be the answer to
// QUIT: who has the message has it by both readings.
func inDoubt(replies, late []reply) []reply {
	if len(late) == 0 {
		return replies
	}
	without := slices.Clone(inStep(slices.Clone(replies), late[:len(late)-1]))
	for i, r := range inStep(slices.Clone(replies), late) {
		if without[i].positive() && !r.positive() {
			without[i] = r
		}
	}
	return without
}

// settle settles one recipient by a reply to the message.
func (t *transaction) settle(i int, r reply) {
	t.open = false
	switch {
	case r.positive():
		t.served = true
		t.out[i] = outcome{taken: true, text: r.String()}
	case r.negative():
		what := ""
		if t.o.LMTP {
			what = " for <" + clean(t.to[i]) + ">"
		}
		t.refuse(i, phaseDot, what, r)
	default:
		t.out[i] = outcome{err: t.lost(phaseDot, fmt.Errorf("%w: reply %s", errProtocol, r))}
	}
}

// send writes the message. Unless it returns true the final dot was not written
// whole, so that the relay cannot have taken the message, and that is noted.
func (t *transaction) send(accepted []int) bool {
	err := t.sendFile()
	if err == nil && t.early() {
		err = fmt.Errorf("%w: reply before the final dot", errProtocol)
	}
	if err == nil {
		fault.Point("smtp.dot")
		t.arm(t.o.Timeout)
		_, err = t.nc.Write(t.msg.Tail)
	}
	if err == nil {
		return true
	}
	if derr := new(deliver.Error); errors.As(err, &derr) {
		t.fail(accepted, derr)
		return false
	}
	lost := t.lost(phaseBody, err)
	if !t.interrupted() {
		// A relay that has had enough answers early and may stop reading.
		t.arm(earlyReply)
		if r, rerr := t.read(phaseBody); rerr == nil && r.negative() {
			for _, i := range accepted {
				t.refuse(i, phaseBody, "", r)
			}
		}
	}
	t.fail(accepted, lost)
	return false
}

// early reports whether the relay has answered already. A message that goes in
// one write with its dot leaves it no time to: see settleDoubt.
func (t *transaction) early() bool {
	if t.br.Buffered() > 0 || t.msg.Front() == nil {
		return t.br.Buffered() > 0
	}
	t.arm(time.Millisecond)
	_, err := t.br.Peek(1)
	return err == nil
}

// sendFile writes the part of the message that is in the spool's file.
func (t *transaction) sendFile() error {
	front := t.msg.Front()
	if front == nil {
		return nil
	}
	chunk := make([]byte, spool.Chunk)
	for {
		n, err := front.Read(chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			t.dead = true
			return t.o.failure(deliver.IOError, "spool", err, CauseOther)
		}
		t.arm(t.o.Timeout)
		if _, err := t.nc.Write(chunk[:n]); err != nil {
			return err
		}
	}
}
