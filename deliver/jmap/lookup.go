package jmap

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

const (
	// maxChanges bounds how often a list of changes goes on.
	maxChanges = 10_000
	// otherSize is how much larger a message may be that the server has changed.
	otherSize = 64 << 10
)

// email is one Email of the server.
type email struct {
	ID        string          `json:"id"`
	Blob      string          `json:"blobId"`
	Mailboxes map[string]bool `json:"mailboxIds"`
	Size      int64           `json:"size"`
	Received  time.Time       `json:"receivedAt"`
	MessageID []string        `json:"messageId"`
}

func (e *email) has(id string) bool {
	return id != "" && slices.ContainsFunc(e.MessageID, func(s string) bool { return normalID(s) == id })
}

// emails reads Emails by their ids; those that are gone are left out.
func (s *session) emails(ctx context.Context, ids []string) (out []email, err error) {
	for chunk := range slices.Chunk(ids, s.inGet) {
		var r struct {
			List []email `json:"list"`
		}
		if err := s.one(ctx, "Email/get", "Email/get",
			args{"ids": chunk, "properties": []string{"id", "blobId", "mailboxIds", "size", "receivedAt", "messageId"}}, &r); err != nil {
			return nil, err
		}
		out = append(out, r.List...)
	}
	return out, nil
}

// created lists the Emails that were created since a state (RFC 8620 section 5.2); false: the
// server cannot tell.
func (s *session) created(ctx context.Context, since string) (ids []string, ok bool, err error) {
	for range maxChanges {
		var r struct {
			NewState string   `json:"newState"`
			More     bool     `json:"hasMoreChanges"`
			Created  []string `json:"created"`
		}
		err := s.one(ctx, "Email/changes", "Email/changes", args{"sinceState": since}, &r)
		switch kindOf(err) {
		case "cannotCalculateChanges", "invalidArguments", "unknownMethod":
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		ids = append(ids, r.Created...)
		if !r.More || r.NewState == since {
			return ids, !r.More, nil // a list that does not go on is not the whole one
		}
		since = r.NewState
	}
	return nil, false, nil
}

// query lists the Emails that may be a message, by Message-ID and by date.
func (s *session) query(ctx context.Context, id string, date int64) (ids []string, err error) {
	at := time.Unix(date, 0).UTC()
	filters := []args{{"after": at.Format(time.RFC3339), "before": at.Add(time.Second).Format(time.RFC3339)}}
	if id != "" {
		filters = append(filters, args{"header": []string{"Message-ID", id}})
	}
	for i, f := range filters {
		var r struct {
			IDs []string `json:"ids"`
		}
		err := s.one(ctx, "Email/query", "Email/query", args{"filter": f}, &r)
		if err != nil && (i == 0 || kindOf(err) != "unsupportedFilter") {
			return nil, err
		}
		ids = append(ids, r.IDs...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// found is where a message is: the id of its Email.
type found = remote.Found[string]

// past is what the server has that may be ours.
type past struct {
	remote.View[string]
	claims  *remote.Claims[string]
	space   string
	state   string // created lists since then
	emails  []email
	sums    map[string]content.Sums // by blob
	created bool                    // all of them are new since state; else they are copies in the mailbox
}

// look looks once.
func (t *Target) look(ctx context.Context, s *session, want []*intent) (*past, error) {
	fault.Point("jmap.look")
	p := &past{claims: s.o.claims, space: space(s.account), state: want[0].Since, sums: make(map[string]content.Sums)}
	if err := p.claims.Refresh(); err != nil {
		return nil, t.o.failure(deliver.IOError, CauseOther, "", err)
	}
	ids, created, err := s.created(ctx, p.state)
	if p.created = created; err == nil && !created {
		ids, err = s.copies(ctx, want)
	}
	if err == nil {
		p.emails, err = s.emails(ctx, ids)
	}
	if err == nil && !created { // nobody knows whose copies lie elsewhere
		p.emails = slices.DeleteFunc(p.emails, func(e email) bool { return !e.Mailboxes[t.box.ID] })
	}
	if err == nil {
		err = s.readCandidates(ctx, p, want)
	}
	return p, err
}

// copies are the ids of Emails that may be one of these messages.
func (s *session) copies(ctx context.Context, want []*intent) (ids []string, err error) {
	for _, in := range want {
		some, err := s.query(ctx, in.ID, in.Date)
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// candidates are Emails that may be the message of in.
func (p *past) candidates(in *intent) (out []email) {
	for _, e := range p.emails {
		if e.Size == in.Size || e.has(in.ID) && e.Size <= 2*in.Size+otherSize {
			out = append(out, e)
		}
	}
	return out
}

// readCandidates completes the sums of all candidates.
func (s *session) readCandidates(ctx context.Context, p *past, want []*intent) error {
	for _, in := range want {
		for _, e := range p.candidates(in) {
			if _, known := p.sums[e.Blob]; known {
				continue
			}
			sums, err := s.sums(ctx, e.Blob, e.Size)
			if errors.Is(err, errGone) {
				continue
			}
			if err != nil {
				return err
			}
			p.sums[e.Blob] = sums
		}
	}
	return nil
}

var errGone = errors.New("the message is not there any more")

// sums reads a message and sums it up.
func (s *session) sums(ctx context.Context, blob string, size int64) (content.Sums, error) {
	sum := content.New()
	err := s.get(ctx, sum, blob, size)
	return sum.Sums(), err
}

// get downloads a message of about this size (RFC 8620 section 6.2).
func (s *session) get(ctx context.Context, w io.Writer, blob string, size int64) error {
	at := expand(s.download, "{accountId}", s.account, "{blobId}", blob, "{name}", "message.eml", "{type}", "message/rfc822")
	_, err := s.do(ctx, "download", &web.Request{Method: "GET", URL: at, Limit: 4*size + 1<<20,
		Into: func(r io.Reader) error { _, err := io.Copy(w, r); return err }})
	if no, ok := errors.AsType[*refusal](err); ok && (no.status == 404 || no.status == 410) {
		return errGone
	}
	return err
}

// find decides whether the message of in is there; the sums of its candidates are read.
func (p *past) find(in *intent) found {
	var copies []remote.Copy[string]
	for _, e := range p.candidates(in) {
		if sums, ok := p.sums[e.Blob]; ok && p.claims.Free(p.space, e.ID, in.Batch) {
			copies = append(copies, remote.Copy[string]{Key: e.ID, Sums: sums, Twin: e.has(in.ID) && e.Received.Unix() == in.Date})
		}
	}
	return p.Find(&in.Mark, copies, p.created)
}

// await finds out which of the messages, all of one state, the server has. What is not
// there yet is looked for again, until no request that broke off can be carried out.
func (t *Target) await(ctx context.Context, want ...*intent) (p *past, err error) {
	settled, err := remote.Await(ctx, t.o.Settle, func() (bool, error) {
		s, err := t.open(ctx)
		if err == nil {
			p, err = t.look(ctx, s, want)
		}
		return err == nil && slices.ContainsFunc(want, func(in *intent) bool { return in.Young() && !p.find(in).OK }), err
	})
	if err != nil {
		return nil, t.o.failed(err)
	}
	p.Settled = settled
	return p, nil
}

// search looks for one message. What one look has shown holds for the next message of a
// recovery.
func (t *Target) search(ctx context.Context, in *intent) (at found, err error) {
	if p := t.past; p != nil && p.created && p.state == in.Since {
		s, err := t.open(ctx)
		if err == nil {
			err = s.readCandidates(ctx, p, []*intent{in})
		}
		if err != nil {
			return at, t.o.failed(err)
		}
		if at := p.find(in); at.OK || p.Settled || !in.Young() {
			return t.changed(in, at), nil
		}
	}
	if t.past, err = t.await(ctx, in); err != nil {
		return at, err
	}
	return t.changed(in, t.past.find(in)), nil
}

// lookUp finds out which of the messages in doubt have arrived.
func (t *Target) lookUp(ctx context.Context, msgs []*message) {
	remote.LookUp(msgs, func(doubt []*message) (func(*message) (found, error), error) {
		var want []*intent
		for _, m := range doubt {
			want = append(want, &m.intent)
		}
		p, err := t.await(ctx, want...)
		return func(m *message) (found, error) { return t.changed(&m.intent, p.find(&m.intent)), nil }, err
	}, t.inDoubt, func(m *message, at found) { m.arrived(at.At) })
}

// changed says so if the server has changed a message.
func (t *Target) changed(in *intent, at found) found {
	if at.Changed {
		t.o.Logger.Warn("the server has changed a message that it stored",
			"mailbox", t.o.Mailbox, "email", remote.Clean(at.At), "message-id", in.ID)
	}
	return at
}

// inDoubt is the error of a message that may have arrived.
func (t *Target) inDoubt(err error) error {
	e := t.o.failed(err)
	if errors.Is(e, context.Canceled) {
		return e
	}
	cause := errors.New(strings.TrimPrefix(e.Error(), t.o.Name+": "))
	return t.o.failure(deliver.Unavailable, InDoubt, "the message may have been stored", cause)
}
