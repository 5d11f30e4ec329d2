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
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// tries is how often one message is sent.
const tries = 3

// publish uploads and imports a batch, as many messages at a time as the server takes.
func (t *Target) publish(ctx context.Context, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		remote.Note(t.o.claims, t.space, b.Msgs, func(m *message) string { return m.email }, t.o.Logger)
	}()
	for left := b.Msgs; len(left) > 0; {
		n := min(len(left), ourObjects)
		if t.session != nil {
			n = min(n, t.session.inSet)
		}
		if stop := t.group(ctx, b, left[:n]); stop != nil {
			remote.Conclude(left, stop)
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
		return remote.Conclude(msgs, t.o.failed(err))
	}
	stop := t.upload(ctx, s, b, msgs)
	if stop != nil && !slices.Contains([]Cause{Throttled, Rejected, Quota}, causeOf(stop)) { // else what it took is imported
		return remote.Conclude(msgs, stop)
	}
	if err := t.attempt(ctx, s, uploaded(msgs)); err != nil {
		return remote.Conclude(msgs, err)
	}
	if stop == nil {
		stop = remote.Judge(msgs)
	}
	if stop != nil {
		return remote.Conclude(msgs, stop)
	}
	return remote.Carefully(remote.Undecided(msgs), func(m *message) *deliver.Error {
		if err := t.one(ctx, b, m); err != nil {
			return t.o.failed(err)
		}
		return nil
	})
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
		if no := m.refused(); no != nil && m.Open() && !t.repairable(no) {
			m.Err = t.o.failed(no)
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
		m.Refusal = nil
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
			m.Doubt = mayHaveActed(err)
		case r.Created[key].ID != "":
			m.arrived(r.Created[key].ID)
		case e != nil:
			m.Refusal = e.refusal(stageImport)
		default:
			m.Doubt = true
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
	switch no := m.refused(); {
	case no.kind == "tooManyKeywords", no.names("keywords"):
		t.noKeywords = true
		t.o.Logger.Warn("the server refuses the keywords", "mailbox", t.o.Mailbox, "err", no)
	case no.names("mailboxIds"): // it is gone since the session began
		t.session = nil
	default: // the blob has expired, or an Email that existed is gone
		m.blob = ""
	}
}

// one sends one message, again as long as that may help.
func (t *Target) one(ctx context.Context, b *batch, m *message) error {
	var err error
	for range tries {
		if m.Refusal != nil {
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
		case m.Done:
			return nil
		case m.Err != nil:
			return m.Err
		case lost(err):
			return remote.Blamed(t.o.failed(err))
		case err != nil:
			return err
		case m.Refusal != nil && !t.repairable(m.refused()):
			return m.Refusal
		}
	}
	if m.Refusal != nil {
		return m.Refusal
	}
	return t.o.failure(deliver.Failed, Rejected, stageImport, errors.New("the server says nothing about the message"))
}

func uploaded(msgs []*message) []*message {
	return slices.DeleteFunc(remote.Undecided(msgs), func(m *message) bool { return m.blob == "" })
}
