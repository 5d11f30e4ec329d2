package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// printed tells messages apart by their fingerprint while they are retrieved,
// for a server that has neither UIDL nor TOP.
type printed struct {
	late   bool
	nth    map[string]int // messages with this UID so far in this session
	others []plan.Item    // with the header of a delivered message, and another body
}

// topProbes is how many messages must be refused by TOP before a server counts
// as one that has none.
const topProbes = 3

// headers asks for the header of each message (TOP n 0) and calls fn with what
// it gets, in order; h is nil where the server would not show it. Unless it is
// known to have TOP, a server that refuses the first few is asked no more.
func headers(ctx context.Context, c *pop3.Client, list []pop3.Message, hasTop bool, fn func(i int, h header.Header)) error {
	in := bufio.NewReaderSize(nil, header.MaxSize)
	next, shown := 0, hasTop
	look := func(_ pop3.Message, body io.Reader, refused error) error {
		i := next
		next++
		if refused != nil {
			fn(i, nil)
			return nil
		}
		shown = true
		in.Reset(body)
		h, err := header.Read(in)
		if err == nil {
			fn(i, h)
		}
		return err
	}
	for next < min(len(list), topProbes) && !shown {
		if err := c.Top(ctx, list[next:next+1], 0, look); err != nil {
			return err
		}
	}
	if !shown {
		return nil
	}
	return c.Top(ctx, list[next:], 0, look)
}

// hasTop reports whether the server is known to have TOP: it says so, or it
// showed a header before.
func (r *run) hasTop(c *pop3.Client) bool {
	return c.Capabilities().Has("TOP") || r.facts.Extra[extraTop] != ""
}

// extraTop is where Facts.Extra keeps that TOP worked.
const extraTop = "top"

// fingerprints returns one fingerprint a message, nil where there is none. A
// server that has no TOP is asked again only if it announces it.
func (r *run) fingerprints(ctx context.Context, c *pop3.Client, list []pop3.Message) ([]*state.Fingerprint, error) {
	prints := make([]*state.Fingerprint, len(list))
	if r.facts.NoTop && !c.Capabilities().Has("TOP") {
		return prints, nil
	}
	shown := false
	err := headers(ctx, c, list, r.hasTop(c), func(i int, h header.Header) {
		if h != nil {
			p := h.Fingerprint()
			prints[i], shown = &p, true
		}
	})
	if shown {
		r.facts.NoTop = false
		r.extra(extraTop, "works")
	} else if err == nil && len(list) >= topProbes && !r.hasTop(c) {
		r.facts.NoTop = true
	}
	return prints, err
}

// extra sets one of Facts.Extra.
func (r *run) extra(name, value string) {
	if r.facts.Extra == nil {
		r.facts.Extra = make(map[string]string)
	}
	r.facts.Extra[name] = value
}

// nameByHeader gives the messages of a server without UIDL their unique-ids. One
// whose header the server does not show is left out. With neither UIDL nor TOP
// only keep: none can work: what is fetched is deleted, and what a broken session
// left is recognised while it is retrieved.
func (r *run) nameByHeader(ctx context.Context, c *pop3.Client, list []pop3.Message) ([]pop3.Message, error) {
	prints, err := r.fingerprints(ctx, c, list)
	if err != nil {
		return nil, err
	}
	var named []pop3.Message
	for i, p := range prints {
		if p != nil {
			m := list[i]
			m.UID = plan.FingerprintUID(*p)
			named = append(named, m)
		}
	}
	switch {
	case len(named) == len(list):
		return named, nil
	case r.a.Policy.Keep.None && (r.poll || len(named) == 0):
		for i := range list {
			list[i].UID = "" // all alike: named when retrieved
		}
		r.prints = printed{late: true, nth: make(map[string]int)}
		return list, nil
	case len(named) == 0:
		return nil, noHeaders(r.hasTop(c) || len(list) < topProbes && !c.Capabilities().Known(), len(list))
	}
	r.addNote(fmt.Sprintf("the server does not show the header (TOP) of %s, and has no unique-ids (UIDL): left alone; a later run asks again",
		counted(len(list)-len(named), "message")))
	return named, nil
}

// noHeaders is the error for messages that cannot be told apart. That the server
// has no TOP is not said of one that showed headers before, nor of one without
// CAPA for a refusal or two: perhaps it has.
func noHeaders(perhaps bool, listed int) error {
	if perhaps {
		return &Error{Exit: ExitTemp, Err: fmt.Errorf("the server gives its messages no unique-ids (UIDL), and does not show the header (TOP) of any of %s now: they cannot be told apart", counted(listed, "message"))}
	}
	return &Error{
		Exit: ExitConfig,
		Err:  errors.New("the server gives its messages no names (UIDL) and shows no headers (TOP): what stays there cannot be told from new mail"),
		Why:  WhyNoIdentity,
	}
}

// identify names a message that has no name yet and reports whether it is to
// be delivered. One that seems to be seen already is only compared.
func (r *run) identify(m *message) bool {
	if !r.prints.late || m.Rejected || m.Named { // a second look would count as a second message
		return true
	}
	m.UID = plan.FingerprintUID(m.print)
	m.Key = state.NewKey(m.UID, r.prints.nth[m.UID])
	r.prints.nth[m.UID]++
	e, known := r.entry(m.Key)
	if !known {
		return true
	}
	for _, o := range e.Outcomes {
		m.Have = append(m.Have, o.Target)
		m.Delete = m.Delete && o.Status == state.Delivered
	}
	return !e.Done
}

func (r *run) entry(k state.Key) (e state.Entry, ok bool) {
	_ = r.db.View(func(v *state.View) error { // our own View cannot fail
		e, ok = v.Get(k)
		return nil
	})
	return e, ok
}
