package jmap

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// Target delivers to one mailbox. It implements deliver.Deliverer and
// deliver.Recoverer.
type Target struct {
	o    Options
	most atomic.Int64 // maxSizeUpload; 0: none is known

	mu      sync.Mutex // held while the session is used
	session *session   // nil: there is none
	box     mailbox
	boxes   []mailbox
	// state is that of all Emails after the last import; empty: unknown.
	state      string
	noKeywords bool  // the server refuses them
	past       *past // what Recover looks at
}

// New returns the Target of a mailbox. It does not connect: Begin does.
func New(o Options) *Target { return &Target{o: o.withDefaults()} }

// Begin opens a batch, and a session if there is none, so that a server that is down
// is noticed before a message is retrieved for it.
func (t *Target) Begin(ctx context.Context) (deliver.Batch, error) {
	if t.mu.TryLock() { // else the last batch is being published: there is one
		defer t.mu.Unlock()
		t.past = nil
		if _, err := t.open(ctx); err != nil {
			return nil, err
		}
	}
	return &batch{t: t}, nil
}

// MaxUpload implements deliver.Uploader.
func (t *Target) MaxUpload() int { return ourObjects }

// open returns the session, a new one if there is none. t.mu is held.
func (t *Target) open(ctx context.Context) (*session, error) {
	if t.session != nil {
		return t.session, nil
	}
	s, err := discover(ctx, &t.o)
	if err != nil {
		return nil, err
	}
	if t.box, t.boxes, err = s.locate(ctx); err != nil {
		return nil, err
	}
	t.session = s
	t.most.Store(s.size)
	return s, nil
}

// position returns the state of all Emails.
func (t *Target) position(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.open(ctx)
	if err != nil || t.state != "" {
		return t.state, err
	}
	c := stateCall()
	if err = s.request(ctx, stageMailbox, 0, c); err == nil {
		err = c.err
	}
	if err != nil {
		return "", t.o.failed(err)
	}
	t.state = c.into.(*emailState).State
	return t.state, nil
}

// emailState is the result of an Email/get of nothing.
type emailState struct {
	State string `json:"state"`
}

func stateCall() *call {
	return &call{method: "Email/get", args: args{"ids": []string{}, "properties": []string{"id"}}, into: new(emailState)}
}

// Close closes the connections. Idempotent.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session, t.past, t.state = nil, nil, ""
	t.o.Client.Close()
	return nil
}

// Recover implements deliver.Recoverer: it looks the message up on the server.
func (t *Target) Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	if i.Kind != Kind { // not ours: nobody can look
		return deliver.Unknown, nil
	}
	if fault.Mutated("jmap-no-search") {
		return deliver.Absent, nil
	}
	in, err := decodeIntent(i.Data)
	if err != nil {
		return deliver.Unknown, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok, err := t.search(ctx, in)
	switch {
	case err != nil:
		return deliver.Unknown, err
	case !ok:
		return deliver.Absent, nil
	case at.rewritten:
		t.rewritten(in, at)
	}
	if at.anew {
		return deliver.StandIn, nil
	}
	return deliver.Visible, nil
}

func (t *Target) rewritten(in *intent, at found) {
	t.o.Logger.Warn("the server has changed a message that it stored", "mailbox", t.o.Mailbox, "email", clean(at.email), "message-id", in.ID)
}
