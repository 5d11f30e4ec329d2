package smtp

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// maxFlight is how many commands are sent before their replies are read. It
// keeps a flight and its replies well below any TCP window, so that the two
// ends cannot both be blocked in writing (RFC 2920 section 3.1).
const maxFlight = 50

// earlyReply is how long we look for the reply of a relay that stopped
// reading in the middle of a message.
const earlyReply = time.Second

// transaction is one message on one connection.
type transaction struct {
	*conn
	kept bool // the connection is older than this attempt
	msg  *wire
	from string
	to   []string
	out  []outcome // one a recipient
}

// outcome is what became of one recipient: the relay took the message for it,
// with text as its reply, or err says why not.
type outcome struct {
	taken bool
	err   *deliver.Error
	text  string
}

// step is one command of the envelope.
type step struct {
	phase phase
	line  string
	rcpt  int // index into to, for phaseRcpt
}

// run sends the message. It returns true if the kept connection turned out to
// be closed, by the relay's idle timer or its limit of messages: nothing was
// delivered, and the caller may try again on a new one.
func (t *transaction) run() (stale bool) {
	t.out = make([]outcome, len(t.to))
	todo := t.check()
	if len(todo) == 0 {
		return false
	}
	accepted, err := t.envelope(todo)
	if t.closed && t.kept && !t.interrupted() {
		return true
	}
	if err != nil {
		t.fail(todo, err)
		return false
	}
	if len(accepted) > 0 {
		t.message(accepted)
	}
	return false
}

// check settles the recipients that need not be offered to the relay, and
// returns the others.
func (t *transaction) check() (todo []int) {
	limit, _ := strconv.ParseInt(t.ext["SIZE"], 10, 64)
	utf8 := t.offers("SMTPUTF8")
	for i, to := range t.to {
		switch {
		case limit > 0 && t.msg.size > limit: // RFC 1870 section 4: 0 is no limit
			t.never(i, fmt.Errorf("message of %d octets is over the relay's limit of %d", t.msg.size, limit), "")
		case to == "" || !validAddress(to):
			t.never(i, fmt.Errorf("not an address: %s", strconv.Quote(shorten(to))), "")
		case !utf8 && (needsUTF8(to) || needsUTF8(t.from)):
			t.never(i, errors.New("an address is not ASCII and the relay does not offer SMTPUTF8"),
				"use a relay with SMTPUTF8 (RFC 6531)")
		default:
			todo = append(todo, i)
		}
	}
	return todo
}

func (t *transaction) never(i int, err error, hint string) {
	t.out[i].err = t.o.failure(deliver.Never, "", err, hint)
}

func (t *transaction) fail(rcpts []int, err *deliver.Error) {
	for _, i := range rcpts {
		if t.out[i].err == nil {
			t.out[i].err = err
		}
	}
}

// envelope sends the commands before the message and returns the recipients
// that the relay waits for the message of. An error is one of the connection.
func (t *transaction) envelope(todo []int) (accepted []int, err *deliver.Error) {
	fault.Point("smtp.mail")
	steps := t.steps(todo)
	perFlight := 1
	if t.offers("PIPELINING") {
		perFlight = maxFlight
	}
	for len(steps) > 0 {
		flight := steps[:min(perFlight, len(steps))]
		steps = steps[len(flight):]
		if flight[0].phase == phaseData && len(accepted) == 0 {
			return nil, nil
		}
		if err := t.write(flight[0].phase, joined(flight)); err != nil {
			return nil, err
		}
		refused := false
		for _, s := range flight {
			r, err := t.read(s.phase)
			if err != nil {
				return nil, err
			}
			if t.closed { // 421: no other reply will come
				return nil, t.refused(s.phase, "", r)
			}
			if accepted, err = t.judge(s, r, todo, accepted); err != nil {
				return nil, err
			}
			refused = refused || s.phase == phaseMail && !r.positive()
		}
		if refused {
			return nil, nil
		}
	}
	return accepted, nil
}

// steps are the commands of the envelope, in order.
func (t *transaction) steps(todo []int) []step {
	steps := make([]step, 0, len(todo)+3)
	if t.open {
		steps = append(steps, step{phase: phaseHello, line: "RSET"})
	}
	steps = append(steps, step{phase: phaseMail, line: t.mailLine(todo)})
	for _, i := range todo {
		steps = append(steps, step{phase: phaseRcpt, line: "RCPT TO:<" + t.to[i] + ">", rcpt: i})
	}
	return append(steps, step{phase: phaseData, line: "DATA"})
}

func (t *transaction) mailLine(todo []int) string {
	line := "MAIL FROM:<" + t.from + ">"
	if t.offers("SIZE") {
		line += " SIZE=" + strconv.FormatInt(t.msg.size, 10)
	}
	if t.msg.bits >= 0x80 {
		if t.offers("8BITMIME") {
			line += " BODY=8BITMIME"
		} else if !t.warned {
			t.warned = true
			t.o.Logger.Warn("relay does not announce 8BITMIME; sending 8-bit messages all the same", "relay", t.o.name())
		}
	}
	utf8 := needsUTF8(t.from)
	for _, i := range todo {
		utf8 = utf8 || needsUTF8(t.to[i])
	}
	if utf8 {
		line += " SMTPUTF8"
	}
	return line
}

// judge settles what the reply to one command settles, and returns the
// recipients accepted so far. An error ends the connection.
func (t *transaction) judge(s step, r reply, todo, accepted []int) ([]int, *deliver.Error) {
	switch {
	case s.phase == phaseData && r.code == 354:
		if len(accepted) == 0 { // cannot be: a dot now would deliver an empty message
			return nil, t.lost(phaseData, fmt.Errorf("%w: reply %s without a recipient", errProtocol, r))
		}
	case s.phase != phaseData && r.positive():
		if s.phase == phaseMail {
			t.open = true
		}
		if s.phase == phaseRcpt && t.out[s.rcpt].err == nil { // MAIL was accepted
			accepted = append(accepted, s.rcpt)
		}
	case r.code < 400 || s.phase == phaseHello:
		return nil, t.lost(s.phase, fmt.Errorf("%w: reply %s", errProtocol, r))
	case s.phase == phaseRcpt:
		if t.out[s.rcpt].err == nil { // else MAIL was refused, which says more
			t.out[s.rcpt].err = t.refused(s.phase, " <"+clean(t.to[s.rcpt])+">", r)
		}
	default:
		t.fail(todo, t.refused(s.phase, "", r))
		accepted = nil
	}
	return accepted, nil
}

// joined is a flight as it goes over the wire.
func joined(flight []step) string {
	var b strings.Builder
	for _, s := range flight {
		b.WriteString(s.line)
		b.WriteString("\r\n")
	}
	return b.String()
}

// message sends the message and reads what became of it.
func (t *transaction) message(accepted []int) {
	fault.Point("smtp.data")
	if err := t.send(); err != nil {
		t.fail(accepted, err)
		return
	}
	defer t.awaitFinal(false)
	if t.o.LMTP {
		t.finalEach(accepted)
	} else {
		t.finalAll(accepted)
	}
	fault.Point("smtp.accepted")
}

// send writes the message. After an error the final dot was not written
// whole, so that the relay cannot have taken the message.
func (t *transaction) send() *deliver.Error {
	err := t.sendFile()
	if err == nil && t.br.Buffered() > 0 {
		err = fmt.Errorf("%w: reply before the final dot", errProtocol)
	}
	if err == nil {
		fault.Point("smtp.dot")
		t.arm(t.o.Timeout)
		_, err = t.nc.Write(t.msg.Tail)
	}
	if err == nil {
		return nil
	}
	if derr := new(deliver.Error); errors.As(err, &derr) {
		return derr
	}
	lost := t.lost(phaseBody, err)
	if t.interrupted() {
		return lost
	}
	// A relay that has had enough answers early and may stop reading.
	t.arm(earlyReply)
	if r, rerr := t.read(phaseBody); rerr == nil && r.code >= 400 {
		return t.refused(phaseBody, "", r)
	}
	return lost
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
			return t.o.failure(deliver.IOError, "spool", err, "")
		}
		t.arm(t.o.Timeout)
		if _, err := t.nc.Write(chunk[:n]); err != nil {
			return err
		}
	}
}

// finalAll reads SMTP's one reply for all recipients.
func (t *transaction) finalAll(accepted []int) {
	o, _ := t.finalReply("")
	for _, i := range accepted {
		t.out[i] = o
	}
}

// finalEach reads LMTP's reply for each recipient, in the order of the
// accepted RCPTs (RFC 2033 section 4.2). A 421 ends the session, but a server
// that has delivered to others by then may still say so: not to hear it would
// give these the message twice.
func (t *transaction) finalEach(accepted []int) {
	for n, i := range accepted {
		var lost bool
		t.out[i], lost = t.finalReply(" for <" + clean(t.to[i]) + ">")
		if !lost {
			continue
		}
		for _, rest := range accepted[n+1:] {
			t.out[rest].err = t.lost(phaseDot, io.EOF)
		}
		return
	}
}

// finalReply reads one reply to the message; lost means that none came.
func (t *transaction) finalReply(what string) (o outcome, lost bool) {
	if t.closed {
		t.arm(earlyReply)
	} else {
		t.awaitFinal(true)
	}
	r, err := t.read(phaseDot)
	if err != nil {
		return outcome{err: err}, true
	}
	t.open = false
	if !r.positive() {
		return outcome{err: t.refused(phaseDot, what, r)}, false
	}
	return outcome{taken: true, text: r.String()}, false
}
