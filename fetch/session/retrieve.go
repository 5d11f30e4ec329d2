package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// retriever retrieves the messages of one session and hands them to the commit
// side.
type retriever struct {
	client   *pop3.Client
	names    *identity
	side     *commit.Side
	suspects *suspects
	limit    *serverLimit
}

// all retrieves messages, and then once more those that a target refused for
// good, for the quarantine. After a *LimitError the session can go on.
func (rt *retriever) all(ctx context.Context, portions ...portion) error {
	rt.side.Journal.Enter(ledger.Retrieving)
	defer rt.client.OneAtATime(false)
	rt.limit = &serverLimit{}
	pass := func(items []plan.Item) ([]plan.Item, error) { return rt.pass(ctx, items) }
	for _, p := range portions {
		rt.client.OneAtATime(p.alone)
		for _, some := range plan.RetriesFirst(p.items) {
			if err := rt.limit.take(some, pass); err != nil {
				return err
			}
		}
	}
	rt.client.OneAtATime(false)
	others := rt.names.prints.others
	rt.names.prints.others = nil
	if err := rt.limit.take(others, pass); err != nil {
		return err
	}
	if err := rt.limit.take(rt.refused(), pass); err != nil {
		return err
	}
	own, err := rt.limit.end()
	rt.notSent(own...)
	return err
}

// refused are the messages that a target refused for good, as they are to be
// retrieved for the quarantine.
func (rt *retriever) refused() []plan.Item {
	items := rt.side.Ledger.TakeRefused()
	if len(items) > 0 {
		rt.side.Journal.Log.Info("moving refused messages to the quarantine", "messages", len(items))
	}
	for i := range items {
		it := &items[i]
		it.Have = nil // which targets have it by now, the state knows
		e, _ := rt.names.book.Entry(it.Key)
		for _, o := range e.Outcomes {
			if !slices.Contains(it.RefusedBy, o.Target) {
				it.Have = append(it.Have, o.Target)
			}
		}
	}
	return items
}

// pass retrieves the items, commits them and waits for the end of both. Each
// message that is whole beyond doubt is committed, also when the session breaks
// or ctx is cancelled. If the error is pop3.ErrEnough, rest was not asked for.
func (rt *retriever) pass(ctx context.Context, items []plan.Item) (rest []plan.Item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in := &incoming{in: bufio.NewReaderSize(nil, header.MaxSize)}
	in.commit, in.items = rt.side.Begin(ctx, cancel, items)
	in.left = len(in.items)
	err = rt.client.Retrieve(ctx, plan.Messages(in.items), func(m pop3.Message, body io.Reader, refused error) error {
		it := in.item(m, refused != nil)
		in.left--
		if refused != nil {
			return rt.refusal(it, refused)
		}
		rt.notSent(rt.limit.came()...)
		return rt.receive(ctx, in, it, body)
	})
	if cerr := in.commit.Finish(rt.client.Sure()); cerr != nil {
		return nil, cerr // the cause of whatever the network side says
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil && !errors.Is(err, pop3.ErrEnough) {
		return nil, rt.suspects.brokenAt(in.items, err)
	}
	rt.suspects.asked += len(in.items) - in.left
	return in.items[len(in.items)-in.left:], err
}

// refusal notes that the server does not send a message: for now, without the
// UTF8 command, or this one.
func (rt *retriever) refusal(it plan.Item, err error) error {
	switch {
	case rt.names.dialer.needsUTF8(rt.client, err):
		rt.suspects.again = true
	case !rt.limit.refused(it, err):
		rt.notSent(heldRefusal{it, err})
	case rt.limit.enough():
		return pop3.ErrEnough
	}
	return nil
}

// notSent notes messages that the server refused to send.
func (rt *retriever) notSent(list ...heldRefusal) {
	for i := range list {
		it := &list[i].item
		rt.side.Ledger.Fail(it, "", &deliver.Error{Class: deliver.Later, Err: &ledger.MessageError{UID: it.UID, Size: it.Size, Err: list[i].err}}, false)
	}
}

// incoming is a pass while it goes on.
type incoming struct {
	commit *commit.Pass
	items  []plan.Item
	next   int // of items, the one whose body comes next
	left   int // messages that did not arrive yet
	in     *bufio.Reader
}

// item is the planned item of a message. Refusals may come late, see
// pop3.Retrieve.
func (in *incoming) item(m pop3.Message, refused bool) plan.Item {
	same := func(it plan.Item) bool { return it.Num == m.Num }
	if refused {
		return in.items[slices.IndexFunc(in.items, same)]
	}
	in.next += slices.IndexFunc(in.items[in.next:], same) + 1
	return in.items[in.next-1]
}

// receive hands one message to the commit side. An error of its body ends the
// session, unless that is about the message alone.
func (rt *retriever) receive(ctx context.Context, in *incoming, it plan.Item, body io.Reader) error {
	src := rt.names.meter.source(ctx, rt.client, body)
	in.in.Reset(src)
	err := rt.stage(ctx, in, it, src)
	if err == nil || !src.doubt {
		return err
	}
	rt.suspects.doubtful(&it, src.err)
	return in.commit.Stopped()
}

func (rt *retriever) stage(ctx context.Context, in *incoming, it plan.Item, src *source) error {
	h, err := header.Read(in.in)
	if err != nil {
		return err
	}
	print := rt.side.Policy.Fingerprint(h)
	if !rt.names.identify(&it, print) {
		return rt.seenAgain(&it, in.in)
	}
	return in.commit.Stage(ctx, &commit.Incoming{Item: it, Print: print, Header: h, Body: in.in, Source: src, Left: in.left})
}

// seenAgain is for a server with neither UIDL nor TOP: a message that turned out
// to be known by its header while it was retrieved. The same one is deleted,
// another one is retrieved again under a key of its own.
func (rt *retriever) seenAgain(it *plan.Item, in *bufio.Reader) error {
	s, err := sumsOf(in)
	if err != nil {
		return err
	}
	switch prints := &rt.names.prints; rt.names.likeness(it.Key, s) {
	case sameMessage:
		if it.Delete {
			rt.side.Ledger.Delete(it)
		}
	case otherMessage:
		for nth := prints.nth[it.UID]; ; nth++ {
			it.Key = state.NewKey(it.UID, nth)
			if _, known := rt.names.book.Entry(it.Key); !known {
				prints.nth[it.UID] = nth + 1
				break
			}
		}
		it.Named, it.Have, it.Delete = true, nil, rt.side.Policy.Keep.None
		prints.others = append(prints.others, *it)
	default:
		rt.side.Journal.Note(fmt.Sprintf("message %d has the header of a delivered one and could not be compared: left alone on the server", it.Num))
	}
	return nil
}
