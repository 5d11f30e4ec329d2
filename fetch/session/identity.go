package session

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/ledger"
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

// identity finds out in one session which message is which.
type identity struct {
	client   *pop3.Client
	dialer   *Dialer
	book     *Book
	meter    *meter
	compared map[state.Key]bool // reappeared messages: see plan.Known.Compared
	prints   printed
}

func (n *identity) hasTop() bool {
	return n.client.Capabilities().Has("TOP") || n.dialer.Facts.Extra[extraTop] != ""
}

// diff compares a listing with what is on record.
func (n *identity) diff(list []pop3.Message) (plan.Plan, error) {
	return n.book.diff(list, n.compared, n.prints.late)
}

// name makes sure that every message of the list has a unique-id. Those that
// cannot have one are left out of what it returns.
func (n *identity) name(ctx context.Context, list []pop3.Message) ([]pop3.Message, error) {
	n.prints = printed{}
	if n.client.HasUIDL() || len(list) == 0 {
		delete(n.book.Facts.Extra, extraNoUIDL)
		return list, nil
	}
	if err := n.uidlLater(); err != nil {
		return nil, err
	}
	return n.nameByHeader(ctx, list)
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

// fingerprints returns one fingerprint a message, nil where there is none. A
// server that has no TOP is asked again only if it announces it.
func (n *identity) fingerprints(ctx context.Context, list []pop3.Message) ([]*state.Fingerprint, error) {
	prints := make([]*state.Fingerprint, len(list))
	if n.book.Facts.NoTop && !n.client.Capabilities().Has("TOP") {
		return prints, nil
	}
	shown := false
	err := headers(ctx, n.client, list, n.hasTop(), func(i int, h header.Header) {
		if h != nil {
			p := n.book.Policy.Fingerprint(h)
			prints[i], shown = &p, true
		}
	})
	if shown {
		n.book.Facts.NoTop = false
		n.book.Facts.SetExtra(extraTop, "works")
	} else if err == nil && len(list) >= topProbes && !n.hasTop() {
		n.book.Facts.NoTop = true
	}
	return prints, err
}

// nameByHeader gives the messages of a server without UIDL their unique-ids. One
// whose header the server does not show is left out. With neither UIDL nor TOP
// only keep: none can work: what is fetched is deleted, and what a broken session
// left is recognised while it is retrieved.
func (n *identity) nameByHeader(ctx context.Context, list []pop3.Message) ([]pop3.Message, error) {
	prints, err := n.fingerprints(ctx, list)
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
	case n.book.Policy.Keep.None && (n.book.Poll || len(named) == 0):
		for i := range list {
			list[i].UID = "" // all alike: named when retrieved
		}
		n.prints = printed{late: true, nth: make(map[string]int)}
		return list, nil
	case len(named) == 0:
		perhaps := n.hasTop() || len(list) < topProbes && !n.client.Capabilities().Known()
		return nil, &NoIdentityError{Listed: len(list), Later: perhaps}
	}
	n.book.Journal.Note(fmt.Sprintf("the server does not show the header (TOP) of %s, and has no unique-ids (UIDL): left alone; a later run asks again",
		ledger.Counted(len(list)-len(named), "message")))
	return named, nil
}

// identify names a message that has no unique-id yet and reports whether it is
// to be delivered. One that seems to be seen already is only compared.
func (n *identity) identify(it *plan.Item, print state.Fingerprint) bool {
	if !n.prints.late || it.Rejected || it.Named { // a second look would count as a second message
		return true
	}
	it.UID = plan.FingerprintUID(print)
	it.Key = state.NewKey(it.UID, n.prints.nth[it.UID])
	n.prints.nth[it.UID]++
	e, known := n.book.Entry(it.Key)
	if !known {
		return true
	}
	for _, o := range e.Outcomes {
		it.Have = append(it.Have, o.Target)
		it.Delete = it.Delete && o.Status == state.Delivered
	}
	return !e.Done
}

// A refusal of what is known to work is no absence: a server that refuses UIDL
// once would else have its messages known by other keys, and fetched twice.

// extraNoUIDL is where Facts.Extra counts the runs in a row whose UIDL was
// refused against expectation.
const extraNoUIDL = "uidl_refused"

// uidlPatience is how many such runs end with "later" before the server is taken
// at its word.
const uidlPatience = 3

// waitsForUIDL decides whether a run without unique-ids is one for later. Known
// says that there are messages on record under unique-ids; they are recognised
// by their headers if the server shows these.
func waitsForUIDL(announced, known, headers bool, refusals int) bool {
	switch {
	case !announced && !known:
		return false // it has none
	case known && !headers:
		return true // everything would come twice
	}
	return refusals <= uidlPatience
}

// uidlLater is the error of a listing that lacks the unique-ids which it should
// have; nil if the server just has none.
func (n *identity) uidlLater() error {
	refusals, _ := strconv.Atoi(n.book.Facts.Extra[extraNoUIDL])
	refusals++
	announced := n.client.Capabilities().Has("UIDL")
	if !waitsForUIDL(announced, n.book.knowsUIDs(), n.hasTop(), refusals) {
		return nil
	}
	n.book.Facts.SetExtra(extraNoUIDL, strconv.Itoa(refusals))
	return &UIDLRefusedError{Announced: announced, Err: n.client.UIDLError()}
}
