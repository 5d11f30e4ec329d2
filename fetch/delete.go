package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// deleteAndQuit sends DELE for what is seen and unwanted, and QUIT, in one
// flight where the server allows it. Only QUIT's +OK makes deletions real
// (RFC 1939 section 6); without it the next listing tells which were done
// (asked.go), and what it still holds is deleted then.
//
// List, if not nil, is a listing in which UIDs repeat.
func (r *run) deleteAndQuit(ctx context.Context, c *pop3.Client, seen []plan.Item, list []pop3.Message, change *state.Change) (int, error) {
	doomed := spareTwins(append(deletionsOf(seen), r.takeDoomed()...), list)
	if len(doomed) > 0 {
		r.enter(Deleting)
	}
	next := 0
	var accepted []state.Key
	var kept refusals
	msgs := make([]pop3.Message, len(doomed))
	for i := range doomed {
		msgs[i] = doomed[i].Message
	}
	err := c.DeleteAndQuit(ctx, msgs, func(_ pop3.Message, refused error) error {
		d := &doomed[next]
		next++
		if refused != nil {
			kept.add(refused)
			return nil
		}
		accepted = append(accepted, d.key)
		return nil
	})
	if kept.n > 0 {
		r.addNote(kept.note())
	}
	if len(doomed) > kept.n {
		r.facts.List = state.ListDigest{} // as Apply does, see there
	}
	if err != nil {
		return 0, r.notDeleted(c, append(accepted, keysOfDeletions(doomed[next:])...), change, err)
	}
	change.Deleted, change.DeletedAt = append(change.Deleted, accepted...), r.now()
	return len(accepted), nil
}

// notDeleted is the error of a session in which DELE was sent for the messages
// of asked and not refused, and QUIT was not answered with +OK; nil if that does
// not matter.
func (r *run) notDeleted(c *pop3.Client, asked []state.Key, change *state.Change, err error) error {
	var refused *pop3.QuitError
	n := len(asked)
	switch {
	case errors.As(err, &refused) && n == 0:
		r.addNote(fmt.Sprintf("the server refused to end the session: %v; nothing was to be deleted, so nothing is lost", refused.Err))
		return nil
	case n == 0:
		return fmt.Errorf("the session did not end well: %w", err)
	case !c.QuitSent():
		return &beforeQuitError{n, err}
	}
	r.unconfirmed(n)
	change.Asked = asked
	if errors.As(err, &refused) {
		return &Error{Exit: ExitTemp, Err: fmt.Errorf("the server did not confirm the deletions: %w", err), Why: WhyUnconfirmed}
	}
	return &UnconfirmedError{err}
}

// refusals are the DELE commands of a session that the server refused.
type refusals struct {
	n     int
	first error
}

func (f *refusals) add(err error) {
	if f.n++; f.n == 1 {
		f.first = err
	}
}

// note says it in one line. Whether the messages stay is not known: some of
// these refusals are about a message that another program deleted meanwhile.
func (f *refusals) note() string {
	if f.n == 1 {
		return fmt.Sprintf("the server refused to delete 1 message: %v; it is delivered, and is deleted later if it is still listed", f.first)
	}
	return fmt.Sprintf("the server refused to delete %d messages, the first: %v; they are delivered, and are deleted later if they are still listed", f.n, f.first)
}

// deletion is a message that is to be deleted from the server.
type deletion struct {
	pop3.Message
	key state.Key
}

func deletionOf(it *plan.Item) deletion { return deletion{it.Message, it.Key} }

func deletionsOf(items []plan.Item) []deletion {
	out := make([]deletion, 0, len(items))
	for i := range items {
		out = append(out, deletionOf(&items[i]))
	}
	return out
}

func keysOfDeletions(some []deletion) []state.Key {
	keys := make([]state.Key, len(some))
	for i := range some {
		keys[i] = some[i].key
	}
	return keys
}

// spareTwins leaves out messages that share their UID with one that stays. The
// one that stays would be listed alone next time, under the key of the one that
// went: it would pass for seen.
func spareTwins(doomed []deletion, list []pop3.Message) []deletion {
	if list == nil {
		return doomed
	}
	staying := make(map[string]int, len(doomed))
	for i := range doomed {
		staying[doomed[i].UID]--
	}
	for i := range list {
		if n, ok := staying[list[i].UID]; ok {
			staying[list[i].UID] = n + 1
		}
	}
	return slices.DeleteFunc(doomed, func(d deletion) bool { return staying[d.UID] != 0 })
}

func (r *run) takeDoomed() []deletion {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.doomed
	r.doomed = nil
	return out
}
