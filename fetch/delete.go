package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// deleteAndQuit sends DELE for what is seen and unwanted, and QUIT, in one
// flight where the server allows it. Only QUIT's +OK makes deletions real
// (RFC 1939 section 6); without it the messages are still listed next time
// and are deleted then.
//
// List, if not nil, is a listing in which UIDs repeat.
func (r *run) deleteAndQuit(ctx context.Context, c *pop3.Client, seen []Item, list []pop3.Message, change *state.Change) (int, error) {
	doomed := spareTwins(append(deletionsOf(seen), r.takeDoomed()...), list)
	if len(doomed) > 0 {
		r.enter(Deleting)
	}
	next := 0
	var deleted []state.Key
	msgs := make([]pop3.Message, len(doomed))
	for i := range doomed {
		msgs[i] = doomed[i].Message
	}
	err := c.DeleteAndQuit(ctx, msgs, func(m pop3.Message, refused error) error {
		d := &doomed[next]
		next++
		if refused != nil {
			r.addNote(fmt.Sprintf("the server would not delete message %d: %v; it is delivered, and a later run tries again", m.Num, refused))
			return nil
		}
		deleted = append(deleted, d.key)
		return nil
	})
	var refused *pop3.QuitError
	switch {
	case errors.As(err, &refused) && len(doomed) == 0:
		r.addNote(fmt.Sprintf("the server refused to end the session: %v; nothing was to be deleted, so nothing is lost", refused.Err))
	case errors.As(err, &refused):
		r.unconfirmed(len(doomed))
		return 0, &Error{Exit: ExitTemp, Err: fmt.Errorf("the server did not confirm the deletions: %w", err), Hint: unconfirmedHint}
	case err != nil && len(doomed) == 0:
		return 0, fmt.Errorf("the session did not end well: %w", err)
	case err != nil:
		r.unconfirmed(len(doomed))
		return 0, &unconfirmedError{err}
	}
	change.Deleted, change.DeletedAt = deleted, r.now()
	r.sum.Deleted += len(deleted)
	if len(deleted) > 0 {
		r.facts.List = state.ListDigest{} // as Apply does, see there
	}
	return len(deleted), nil
}

// deletion is a message that is to be deleted from the server.
type deletion struct {
	pop3.Message
	key state.Key
}

func deletionOf(it *Item) deletion { return deletion{it.Message, it.Key} }

func deletionsOf(items []Item) []deletion {
	out := make([]deletion, 0, len(items))
	for i := range items {
		out = append(out, deletionOf(&items[i]))
	}
	return out
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
