package fetch

import (
	"io"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Whether a message is whole is for package pop3 to find out: until it knows,
// the message has no end, so no target takes it. Here is what follows for the
// batch that it was to be in, and for the message.

// doubtOf is why a message that came to its end may not be whole, nil if it is.
func doubtOf(body io.Reader) error {
	if b, ok := body.(*pop3.Body); ok {
		return b.Doubt()
	}
	return nil
}

// item is the planned item of a message. Refusals may come late, see
// pop3.Retrieve.
func (rt *retriever) item(m pop3.Message, refused bool) plan.Item {
	same := func(it plan.Item) bool { return it.Num == m.Num }
	if refused {
		return rt.items[slices.IndexFunc(rt.items, same)]
	}
	rt.next += slices.IndexFunc(rt.items[rt.next:], same) + 1
	return rt.items[rt.next-1]
}

// unless ends the session with an error of a body, unless that is about the
// message alone.
func (rt *retriever) unless(it *plan.Item, src *source, err error) error {
	if !src.doubt {
		return err
	}
	rt.doubtful(it, src.err)
	return rt.stopIfBroken()
}

// endBatch hands over the last batch of a pass. If replies may have been out of
// step with the commands, it may hold one message under the unique-id of
// another: it is dropped, and its messages are retrieved again.
func (rt *retriever) endBatch() {
	if rt.client.Sure() || rt.cur == nil {
		rt.handOver()
		return
	}
	rt.log.Info("messages are retrieved again, since it is in doubt which is which", "messages", len(rt.cur.msgs))
	_ = rt.cur.abort() // leftovers are swept later
	rt.cur = nil
}

// doubtful notes a message that may not be whole. It stays on the server, and is
// asked for again alone: in another session of this run if there may be one,
// else in the next run, where it counts as a failure.
func (r *run) doubtful(it *plan.Item, why error) {
	named := &deliver.Error{Class: deliver.Later, Err: &MessageError{it.UID, it.Size, why}}
	s := &r.suspects
	if !it.Suspect && r.mayReconnect() && s.doubted < maxDoubted {
		r.suspect(it, named)
		if !r.again {
			s.doubted++
		}
		r.again = true
		return
	}
	alone := *it
	alone.Suspect = true // in the next run it is asked for alone
	r.failMessage(&alone, "", named)
}
