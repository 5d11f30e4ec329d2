package fetch

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// uidPrefix marks a UID that we made from a header's fingerprint, for a server
// without UIDL.
const uidPrefix = "fingerprint:"

func printedUID(p state.Fingerprint) string { return uidPrefix + hex.EncodeToString(p[:]) }

// printed tells messages apart by their fingerprint while they are retrieved,
// for a server that has neither UIDL nor TOP.
type printed struct {
	late   bool
	nth    map[string]int // messages with this UID so far in this session
	others []Item         // with the header of a delivered message, and another body
}

// headers asks for the header of each message (TOP n 0) and calls fn with what
// it gets, in order; h is nil where the server would not show it. A server
// that refuses the first is asked no more: it has no TOP.
func headers(ctx context.Context, c *pop3.Client, list []pop3.Message, fn func(i int, h header)) error {
	in := bufio.NewReaderSize(nil, maxHeader)
	next, shown := 0, false
	look := func(_ pop3.Message, body io.Reader, refused error) error {
		i := next
		next++
		if refused != nil {
			fn(i, nil)
			return nil
		}
		shown = true
		in.Reset(body)
		h, err := readHeader(in)
		if err == nil {
			fn(i, h)
		}
		return err
	}
	if err := c.Top(ctx, list[:min(len(list), 1)], 0, look); err != nil || !shown {
		return err
	}
	return c.Top(ctx, list[1:], 0, look)
}

// fingerprints returns one fingerprint a message, nil where there is none. A
// server that once refused TOP is asked again only if it announces it.
func (r *run) fingerprints(ctx context.Context, c *pop3.Client, list []pop3.Message) ([]*state.Fingerprint, error) {
	prints := make([]*state.Fingerprint, len(list))
	if r.facts.NoTop && !c.Capabilities().Has("TOP") {
		return prints, nil
	}
	shown := false
	err := headers(ctx, c, list, func(i int, h header) {
		if h != nil {
			p := h.fingerprint()
			prints[i], shown = &p, true
		}
	})
	if err == nil && len(list) > 0 {
		r.facts.NoTop = !shown
	}
	return prints, err
}

// nameByHeader gives the messages of a server without UIDL their names. With
// neither UIDL nor TOP only keep: none can work: what is fetched is deleted,
// and what a broken session left is recognised while it is retrieved.
func (r *run) nameByHeader(ctx context.Context, c *pop3.Client, list []pop3.Message) error {
	if len(list) == 0 {
		return nil
	}
	prints, err := r.fingerprints(ctx, c, list)
	if err != nil {
		return err
	}
	named := 0
	for i, p := range prints {
		if p != nil {
			list[i].UID = printedUID(*p)
			named++
		}
	}
	if named == len(list) {
		return nil
	}
	if !r.a.Policy.Keep.None {
		return &Error{
			Exit: ExitConfig,
			Err:  fmt.Errorf("the server gives its messages no names (UIDL) and shows no headers (TOP): what stays there cannot be told from new mail"),
			Hint: "this server works if what is delivered is deleted there: `keep: none`, or --delete for one run",
		}
	}
	for i := range list {
		list[i].UID = "" // all alike: named when retrieved
	}
	r.prints = printed{late: true, nth: make(map[string]int)}
	return nil
}

// identify names a message that has no name yet and reports whether it is to
// be delivered. One that seems to be seen already is only compared.
func (r *run) identify(m *message) bool {
	if !r.prints.late || m.rejected || m.named { // a second look would count as a second message
		return true
	}
	m.UID = printedUID(m.print)
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
