package session

import (
	"errors"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Some servers allow so many messages, octets or commands a day, and refuse each
// RETR after that. Such a refusal says nothing of its message: it ends the
// retrieval, and is charged to none. But one message may be refused in the same
// words, and must not hold up the others: so two in a row only end the retrieval
// when one message from elsewhere is refused, too.

// LimitError is a limit of the server that a run came to.
type LimitError struct {
	Refused error // the first refusal: a *pop3.Error or a *pop3.ClosedError
	closed  bool  // the server ended the session with it
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the server sends no more messages for now: %v", e.Refused)
}

// Temporary is true: the next run after the limit goes on.
func (*LimitError) Temporary() bool { return true }

// OpenLimit is the limit that a session came to if it can still delete and end;
// nil if it cannot, or if err is another one.
func OpenLimit(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) && !limit.closed {
		return limit
	}
	return nil
}

// serverLimit watches what a session retrieves for a limit of the server.
type serverLimit struct {
	held []heldRefusal // since a message came: a limit, or their own
	last bool          // a code says that it is the end
}

// heldRefusal is the refusal of a message that is not charged with it yet.
type heldRefusal struct {
	item plan.Item
	err  error // a *pop3.Error
}

// refused notes a refusal, and reports whether it is held. If not, it is the
// message's own.
func (l *serverLimit) refused(it plan.Item, err error) (held bool) {
	says := limitOf(err)
	if says != pop3.NoLimit {
		l.held = append(l.held, heldRefusal{it, err})
	}
	l.last = l.last || says == pop3.NotAtAll
	return says != pop3.NoLimit
}

func limitOf(err error) pop3.Limit {
	if said, ok := errors.AsType[*pop3.Error](err); ok {
		return said.Limit()
	}
	return pop3.NoLimit
}

// enough reports whether nothing more is to be asked for.
func (l *serverLimit) enough() bool { return l.last || len(l.held) > 1 }

// came notes that a message is sent, and returns the refusals before it: they
// were the messages' own.
func (l *serverLimit) came() (own []heldRefusal) {
	if !l.last {
		own, l.held = l.held, nil
	}
	return own
}

// end judges what is held when all was asked for. One refusal or two by words
// about time may as well be the messages' own.
func (l *serverLimit) end() (own []heldRefusal, err error) {
	for _, h := range l.held {
		if len(l.held) > 2 || limitOf(h.err) > pop3.ForNow {
			return nil, l.reached()
		}
	}
	return l.came(), nil
}

func (l *serverLimit) reached() error { return &LimitError{Refused: l.held[0].err} }

// take retrieves items by pass, which returns those that it did not ask for and
// pop3.ErrEnough if it stopped.
func (l *serverLimit) take(items []plan.Item, pass func([]plan.Item) ([]plan.Item, error)) error {
	for len(items) > 0 {
		rest, err := pass(items)
		if err = l.closedBy(err); !errors.Is(err, pop3.ErrEnough) {
			return err
		}
		switch items = rest; {
		case l.last:
			return l.reached()
		case !l.enough(), len(items) == 0: // what was under way came, or there is no other to ask for
			continue
		}
		last := len(items) - 1
		if _, err := pass(items[last:]); err != nil && !errors.Is(err, pop3.ErrEnough) {
			return l.closedBy(err)
		}
		if items = items[:last]; l.enough() {
			return l.reached()
		}
	}
	return nil
}

// closedBy finds the limit in the error of a session that the server closed after
// a refusal.
func (l *serverLimit) closedBy(err error) error {
	var closed *pop3.ClosedError
	if errors.As(err, &closed) && (closed.Refused.Limit() > pop3.ForNow || len(l.held) > 1) {
		return &LimitError{Refused: closed, closed: true}
	}
	return err
}
