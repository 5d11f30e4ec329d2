package smtp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// maxPipelined is how many commands are sent before their replies are read. It
// keeps commands and replies well below any TCP window, so that the two
// ends cannot both be blocked in writing (RFC 2920 section 3.1).
const maxPipelined = 50

// transaction is one message on its way to the relay, over one connection or,
// if that turns out to be closed, a second one.
type transaction struct {
	*conn
	kept  bool // the connection is older than this attempt
	tried bool // an attempt came to an outcome for each of todo
	env   *deliver.Envelope
	msg   *wire
	from  string // of this attempt
	spare bool   // from is the last that there is
	to    []string
	fixed bool
	todo  []int     // indices into to: what this attempt is for
	out   []outcome // one a recipient
	last  step      // after the recipients
}

// outcome is what became of one recipient: the relay took the message for it,
// with text as its reply, or err says why not.
type outcome struct {
	taken   bool
	err     *deliver.Error
	text    string
	sender  bool // another sender may do
	mailbox bool // err is about this recipient
	putOff  bool // MAIL was answered with 4xx
}

// step is one command of the envelope.
type step struct {
	phase phase
	line  string
	rcpt  int // index into to, for phaseRcpt
}

func newTransaction(m *staged) *transaction {
	t := &transaction{env: &m.env, msg: m.msg, to: m.to, fixed: m.fixed, out: make([]outcome, len(m.to)), last: step{phase: phaseData, line: "DATA"}}
	for i := range m.to {
		t.todo = append(t.todo, i)
	}
	return t
}

// run sends the message. It returns true if it is to be called again. That is
// so if the kept connection turned out to be closed, or used up, by the relay's
// idle timer or its limit of messages: nothing was delivered. And if the relay
// did not like the sender, and there is another.
func (t *transaction) run() (again bool) {
	froms := senders(t.env, t.o.From, t.offers("SMTPUTF8"))
	t.spare = t.tried || len(froms) == 1
	t.from = froms[0]
	if t.spare {
		t.from = t.o.From
	}
	for _, i := range t.todo {
		t.out[i] = outcome{}
	}
	todo := t.check()
	if len(todo) == 0 {
		return false
	}
	accepted, err := t.envelope(todo)
	if t.kept && !t.interrupted() && (t.closed || t.usedUp()) {
		t.quit()
		return true
	}
	t.tried = true
	if err != nil {
		t.fail(todo, err)
		return false
	}
	if len(accepted) > 0 {
		t.message(accepted)
	}
	return t.again()
}

// again leaves in todo those for whom another sender may do.
func (t *transaction) again() bool {
	if t.spare || t.interrupted() {
		return false
	}
	t.todo = slices.DeleteFunc(t.todo, func(i int) bool { return !t.out[i].sender })
	return len(t.todo) > 0
}

// check settles the recipients that need not be offered to the relay, and
// returns the others.
func (t *transaction) check() (todo []int) {
	limit, _ := strconv.ParseInt(t.ext["SIZE"], 10, 64)
	utf8 := t.offers("SMTPUTF8")
	for _, i := range t.todo {
		to := t.to[i]
		switch {
		case limit > 0 && t.msg.size > limit: // RFC 1870 section 4: 0 is no limit
			t.never(i, false, fmt.Errorf("message of %d octets is over the relay's limit of %d", t.msg.size, limit), CauseOther)
		case to == "" || !validAddress(to):
			t.never(i, t.fixed, fmt.Errorf("not an address: %s", strconv.Quote(shorten(to))), BadRecipient)
		case !utf8 && needsUTF8(t.from):
			t.never(i, true, errors.New("the sender's address is not ASCII and the relay does not offer SMTPUTF8"), SenderNeedsUTF8)
		case !utf8 && needsUTF8(to):
			t.never(i, t.fixed, errors.New("the recipient's address is not ASCII and the relay does not offer SMTPUTF8"), RecipientNeedsUTF8)
		default:
			todo = append(todo, i)
		}
	}
	return todo
}

// never settles a recipient without asking the relay. configured: because of
// the target's configuration, not of the message.
func (t *transaction) never(i int, configured bool, err error, cause Cause) {
	class := deliver.Never
	if configured {
		class = deliver.CannotCreate
	}
	t.out[i] = outcome{err: t.o.failure(class, "", err, cause), mailbox: true}
}

// refuse settles one recipient by a negative reply.
func (t *transaction) refuse(i int, p phase, what string, r reply) {
	f := refusal{p, r}
	v := f.verdict()
	err := t.o.failure(f.class(t.fixed), p.String()+what, errors.New(r.String()), f.cause())
	err.Refused = true
	t.out[i] = outcome{
		err:     err,
		sender:  f.doubtful(),
		mailbox: v == recipientFull || v == recipientNever || v == recipientLater,
		putOff:  p == phaseMail && r.code < 500,
	}
}

// usedUp reports whether the relay puts MAIL off on a connection over which it
// has taken messages: many take only so many.
func (t *transaction) usedUp() bool {
	return t.served && slices.ContainsFunc(t.todo, func(i int) bool { return t.out[i].putOff })
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
	perWrite := 1
	if t.offers("PIPELINING") {
		perWrite = maxPipelined
	}
	for len(steps) > 0 {
		pipelined := steps[:min(perWrite, len(steps))]
		steps = steps[len(pipelined):]
		if pipelined[0].phase == phaseData && len(accepted) == 0 {
			return nil, nil
		}
		if err := t.write(pipelined[0].phase, joined(pipelined)); err != nil {
			return nil, err
		}
		refused := false
		for _, s := range pipelined {
			r, err := t.read(s.phase)
			if err != nil {
				return nil, err
			}
			if t.closed { // 421: no other reply will come
				return nil, t.refused(s.phase, r)
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
	return append(steps, t.last)
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
			t.refuse(s.rcpt, s.phase, " <"+clean(t.to[s.rcpt])+">", r)
		}
	default:
		for _, i := range todo {
			if t.out[i].err == nil {
				t.refuse(i, s.phase, "", r)
			}
		}
		accepted = nil
	}
	return accepted, nil
}

// joined returns the commands of one write.
func joined(pipelined []step) string {
	var b strings.Builder
	for _, s := range pipelined {
		b.WriteString(s.line)
		b.WriteString("\r\n")
	}
	return b.String()
}
