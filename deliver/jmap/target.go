package jmap

import (
	"cmp"
	"context"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
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
	noKeywords bool   // the server refuses them
	space      string // of the account's ids, for remote.Claims
	past       *past  // what Recover looks at
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
	return &batch{P: t.protocol(), Staged: content.Staged{Dir: t.o.SpoolDir, Point: "jmap.stage"}}, nil
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
	t.session, t.space = s, space(s.account)
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

// space is that of the ids of an account, which another account has too.
func space(account string) string { return cmp.Or(url.QueryEscape(account), "-") }

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
	t.mu.Lock()
	defer t.mu.Unlock()
	in := new(intent)
	return remote.Recover(Kind, i, in, func() (found, error) {
		if _, err := t.open(ctx); err != nil {
			return found{}, err
		}
		return t.o.claims.Take(t.space, in.Batch, func() (found, error) { return t.search(ctx, in) })
	})
}
