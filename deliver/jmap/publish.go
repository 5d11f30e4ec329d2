package jmap

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/web"
)

const (
	// patience is how many messages in a row a server may not take before no more are
	// sent to it.
	patience = 3
	// tries is how often one message is sent.
	tries = 3
)

// publish uploads and imports a batch, as many messages at a time as the server takes.
func (t *Target) publish(ctx context.Context, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for left := b.msgs; len(left) > 0; {
		n := min(len(left), ourObjects)
		if t.session != nil {
			n = min(n, t.session.inSet)
		}
		if stop := t.group(ctx, b, left[:n]); stop != nil {
			conclude(left, stop)
			return
		}
		left = left[n:]
	}
}

// group delivers some messages. Each then has its outcome; an error is why no more are
// sent.
func (t *Target) group(ctx context.Context, b *batch, msgs []*message) error {
	s, err := t.open(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return conclude(msgs, t.o.failed(err))
	}
	stop := t.upload(ctx, s, b, msgs)
	if stop != nil && !slices.Contains([]Cause{Throttled, Rejected, Quota}, causeOf(stop)) { // else what it took is imported
		return conclude(msgs, stop)
	}
	if err := t.attempt(ctx, s, uploaded(msgs)); err != nil {
		return conclude(msgs, err)
	}
	if stop == nil {
		stop = judge(msgs)
	}
	if stop != nil {
		return conclude(msgs, stop)
	}
	return t.carefully(ctx, b, undecided(msgs))
}

// attempt imports messages that are uploaded and settles what the answer leaves open. An
// error stops the target.
func (t *Target) attempt(ctx context.Context, s *session, msgs []*message) error {
	if len(msgs) == 0 {
		return nil
	}
	err := t.send(ctx, s, msgs)
	if tooLarge(err) && len(msgs) > 1 {
		s.inSet = len(msgs) / 2
		if err := t.attempt(ctx, s, msgs[:s.inSet]); err != nil {
			return err
		}
		return t.attempt(ctx, s, msgs[s.inSet:])
	}
	t.existing(ctx, s, msgs)
	t.lookUp(ctx, msgs)
	for _, m := range msgs {
		if m.refused != nil && !m.done && m.err == nil && !t.repairable(m.refused) {
			m.err = t.o.failed(m.refused)
		}
	}
	var e *deliver.Error
	if err != nil {
		e = t.o.failed(err)
	}
	if e != nil && e.Stops() && !lost(err) {
		return e
	}
	return nil
}

// tooLarge reports whether fewer messages at a time may be taken.
func tooLarge(err error) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && (no.kind == "requestTooLarge" || no.kind == "limit" && no.limit != "maxConcurrentRequests" ||
		no.status == http.StatusRequestEntityTooLarge)
}

// lost reports whether there is no answer although one message may have caused that.
func lost(err error) bool {
	w, ok := errors.AsType[*web.Error](err)
	return ok && (w.Cause == web.Lost || w.Cause == web.Silent) || kindOf(err) == "serverFail"
}

// send imports messages that are uploaded (RFC 8621 section 4.8) and notes what became
// of each.
func (t *Target) send(ctx context.Context, s *session, msgs []*message) error {
	if err := fault.Error("jmap.import"); err != nil {
		return err
	}
	emails := make(args)
	for i, m := range msgs {
		m.refused = nil
		emails[strconv.Itoa(i)] = t.email(m)
	}
	var r struct {
		Created    map[string]struct{ ID string } `json:"created"`
		NotCreated map[string]*setError           `json:"notCreated"`
	}
	imported, after := &call{method: "Email/import", args: args{"emails": emails}, into: &r}, stateCall()
	t.state = ""
	err := s.request(ctx, stageImport, t.o.Wait, imported, after)
	fault.Point("jmap.imported")
	if err == nil {
		err = imported.err
	}
	for i, m := range msgs {
		key := strconv.Itoa(i)
		switch e := r.NotCreated[key]; {
		case err != nil:
			m.doubt = mayHaveActed(err)
		case r.Created[key].ID != "":
			m.done, m.email = true, r.Created[key].ID
		case e != nil:
			m.refused = e.refusal(stageImport)
		default:
			m.doubt = true
		}
	}
	if err == nil && after.err == nil {
		t.state = after.into.(*emailState).State
	}
	return err
}

// email is what the server is told of a message.
func (t *Target) email(m *message) args {
	keywords := make(args)
	if t.o.Seen {
		keywords["$seen"] = true
	}
	if !t.noKeywords {
		for _, k := range t.o.Keywords {
			keywords[k] = true
		}
	}
	return args{"blobId": m.blob, "mailboxIds": args{t.box.ID: true}, "keywords": keywords, "receivedAt": m.date.Format(time.RFC3339)}
}

// mayHaveActed reports whether a request without a good answer may have been carried out.
func mayHaveActed(err error) bool {
	if no, ok := errors.AsType[*refusal](err); ok {
		return no.status >= 500 || no.kind == "serverPartialFail"
	}
	w, ok := errors.AsType[*web.Error](err)
	return ok && w.Sent || errors.Is(err, errBroken)
}

// repairable reports whether another try, alone, may end better.
func (t *Target) repairable(no *refusal) bool {
	switch {
	case no.kind == "blobNotFound", no.kind == "notFound", no.names("blobId", "mailboxIds"):
		return true
	case no.kind == "tooManyKeywords", no.names("keywords"):
		return len(t.o.Keywords) > 0 && !t.noKeywords
	}
	return false
}

// repair prepares another try.
func (t *Target) repair(m *message) {
	switch no := m.refused; {
	case no.kind == "tooManyKeywords", no.names("keywords"):
		t.noKeywords = true
		t.o.Logger.Warn("the server refuses the keywords", "mailbox", t.o.Mailbox, "err", no)
	case no.names("mailboxIds"): // it is gone since the session began
		t.session = nil
	default: // the blob has expired, or an Email that existed is gone
		m.blob = ""
	}
}

// carefully sends messages one at a time. A server that does not take several in a row
// gets no more: that is the error.
func (t *Target) carefully(ctx context.Context, b *batch, msgs []*message) error {
	row := 0
	for i, m := range msgs {
		err := t.one(ctx, b, m)
		if err == nil {
			row = 0
			continue
		}
		e := t.o.failed(err)
		m.err = e
		if e.Class != deliver.Never {
			row++
		}
		switch {
		case e.Stops() || errors.Is(e, context.Canceled):
			return conclude(msgs[i+1:], &deliver.Error{Class: e.Class, Err: e.Err, Pause: e.Pause})
		case row == patience:
			return conclude(msgs[i+1:], &deliver.Error{Class: deliver.Unavailable, Err: e.Err})
		}
	}
	return nil
}

// one sends one message, again as long as that may help.
func (t *Target) one(ctx context.Context, b *batch, m *message) error {
	var err error
	for range tries {
		if m.refused != nil {
			t.repair(m)
		}
		var s *session
		if s, err = t.open(ctx); err == nil && m.blob == "" {
			err = s.put(ctx, b, m)
		}
		if err != nil {
			return err
		}
		err = t.send(ctx, s, []*message{m})
		t.existing(ctx, s, []*message{m})
		t.lookUp(ctx, []*message{m})
		switch {
		case m.done:
			return nil
		case m.err != nil:
			return m.err
		case lost(err):
			e := t.o.failed(err)
			return &deliver.Error{Class: deliver.Failed, Err: e.Err}
		case err != nil:
			return err
		case m.refused != nil && !t.repairable(m.refused):
			return m.refused
		}
	}
	if m.refused != nil {
		return m.refused
	}
	return t.o.failure(deliver.Failed, Rejected, stageImport, errors.New("the server says nothing about the message"))
}

// judge is the error that stops the target after these outcomes; nil: it goes on.
func judge(msgs []*message) error {
	row := 0
	for _, m := range msgs {
		e, ok := errors.AsType[*deliver.Error](m.err)
		switch {
		case m.done || ok && e.Class == deliver.Never:
			row = 0
		case ok && e.Stops():
			return &deliver.Error{Class: e.Class, Err: e.Err, Pause: e.Pause}
		case ok:
			if row++; row == patience {
				return &deliver.Error{Class: deliver.Unavailable, Err: e.Err}
			}
		}
	}
	return nil
}

// conclude gives all messages without an outcome this one, and returns it.
func conclude(msgs []*message, err error) error {
	for _, m := range undecided(msgs) {
		m.err = err
	}
	return err
}

func undecided(msgs []*message) (out []*message) {
	for _, m := range msgs {
		if !m.done && m.err == nil {
			out = append(out, m)
		}
	}
	return out
}

func uploaded(msgs []*message) []*message {
	return slices.DeleteFunc(undecided(msgs), func(m *message) bool { return m.blob == "" })
}
