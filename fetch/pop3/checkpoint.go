package pop3

import (
	"bytes"
	"errors"
	"strings"
)

// check reads the reply to a checkpoint. If it repeats the reply to the first
// STAT, no reply was skipped or made up, and every message so far is whole.
func (r *retrieval) check() error {
	c := r.c
	said, err := r.stat()
	if err != nil {
		return err
	}
	alone := c.w.queued == c.w.replies
	switch shaped := statShaped(said); {
	case said == c.list.stat && said != "", shaped && (c.list.stat == "" || !alone):
	case alone && (shaped || !statShaped(c.list.stat) || strings.HasPrefix(said, "-ERR")):
		// The maildrop may have changed, or STAT is refused by now.
		if err := r.again(said); err != nil {
			return err
		}
	default:
		return r.disproved(c.garbled("STAT", "the reply is to another command", []byte(said)))
	}
	if alone && c.w.unasked() {
		return r.disproved(c.failed("STAT", errUnsolicited))
	}
	c.list.stat = said
	r.proved()
	for i := range r.open.measures {
		if !c.single { // a message that is tried again was counted
			c.sizes.note(r.open.measures[i])
		}
	}
	r.open.since, r.open.measures = r.open.since[:0], r.open.measures[:0]
	return nil
}

// again sends STAT once more: if replies come late, the two differ.
func (r *retrieval) again(first string) error {
	r.c.send("STAT", "STAT")
	second, err := r.stat()
	if err == nil && second != first && !(statShaped(first) && statShaped(second)) {
		err = r.disproved(r.c.garbled("STAT", "the reply is to another command", []byte(first)))
	}
	return err
}

// stat reads the reply to STAT, which may be a refusal.
func (r *retrieval) stat() (string, error) {
	text, err := r.c.status("STAT", 0)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return "-ERR " + refused.Raw + refused.Text, nil
	case err != nil:
		return "", closedAfter(r.refused, r.broke(err, checkpoint))
	}
	return statText(text), nil
}

// statText returns the part of the text after +OK that is compared.
func statText(text []byte) string { return string(text[:min(len(text), 64)]) }

// statShaped reports whether a text is two numbers, as in a reply to STAT (RFC
// 1939 section 5) and never in a reply to RETR.
func statShaped(text string) bool {
	_, rest, ok := number([]byte(text))
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return false
	}
	_, rest, ok = digits(bytes.TrimLeft(rest, " "), 1<<62)
	return ok && (len(rest) == 0 || rest[0] == ' ')
}

// DoubtError means that the end of a message is disproved: what came after it is
// no reply to a command, so it may be the rest of the message.
type DoubtError struct {
	Message Message
	Err     error // a *ProtocolError
}

// Error implements error.
func (e *DoubtError) Error() string {
	return label("retr", e.Message.Num) + ": the end of the message is in doubt: after it came what answers no command: " + e.Err.Error()
}

// Unwrap returns what the server sent.
func (e *DoubtError) Unwrap() error { return e.Err }

// disproved returns the error of a last message that may not be whole.
func (r *retrieval) disproved(err error) error {
	if !r.open.any() {
		return err // no message came before
	}
	err = r.at(&DoubtError{r.msgs[r.open.last], err}, r.open.last)
	var at *RetrieveError
	if i := r.steps[r.heads-1]; r.w.ahead() && i != checkpoint && i != r.open.last && errors.As(err, &at) {
		at.Ahead = append(at.Ahead, r.msgs[i]) // its RETR was sent before the message ended
	}
	return err
}

// broke returns the error of a session that broke while it waited for the reply to
// step i. A line that is no reply belongs to the message before it, unless that
// one had its listed size.
func (r *retrieval) broke(err error, i int32) error {
	switch {
	case errors.Is(err, ErrProtocol) && r.open.any() && (i == checkpoint || !r.open.fits(&r.c.sizes)):
		return r.disproved(err)
	case i == checkpoint:
		return err
	}
	return r.at(err, i)
}

// at adds to an error the message at which the session broke, those whose RETR was
// sent after it, and those that may not be whole.
func (r *retrieval) at(err error, i int32) error {
	if errors.As(err, new(*RetrieveError)) || errors.Is(err, ErrAbandoned) {
		return err
	}
	e := &RetrieveError{Message: r.msgs[i], Err: err}
	for _, s := range r.steps[min(r.heads, r.w.sent):r.w.sent] {
		if s != checkpoint {
			e.Ahead = append(e.Ahead, r.msgs[s])
		}
	}
	for _, s := range r.open.since {
		if s != i {
			e.Unsure = append(e.Unsure, r.msgs[s])
		}
	}
	return e
}
