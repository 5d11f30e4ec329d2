package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Deletions are what a session asked the server to delete.
type Deletions struct {
	// Confirmed are those that QUIT confirmed; Asked those of which no QUIT said
	// that they are done.
	Confirmed, Asked []state.Key
}

// DeleteAndQuit sends DELE for what is seen and unwanted, and QUIT, in one round
// trip where the server allows it. Only QUIT's +OK makes deletions real
// (RFC 1939 section 6); without it the next listing tells which were done
// (asked.go), and what it still holds is deleted then.
//
// List, if not nil, is a listing in which UIDs repeat.
func (s *Session) DeleteAndQuit(ctx context.Context, seen []plan.Item, list []pop3.Message) (Deletions, error) {
	j := s.m.Side.Journal
	pending := make([]ledger.Deletion, 0, len(seen))
	for i := range seen {
		pending = append(pending, ledger.DeletionOf(&seen[i]))
	}
	pending = spareDuplicates(append(pending, s.m.Side.Ledger.TakeDeletions()...), list)
	if len(pending) > 0 {
		j.Enter(ledger.Deleting)
	}
	next := 0
	var accepted []state.Key
	var kept []error
	msgs := make([]pop3.Message, len(pending))
	for i := range pending {
		msgs[i] = pending[i].Message
	}
	err := s.Client.DeleteAndQuit(ctx, msgs, func(_ pop3.Message, refused error) error {
		if refused != nil {
			kept = append(kept, refused)
		} else {
			accepted = append(accepted, pending[next].Key)
		}
		next++
		return nil
	})
	if len(kept) > 0 {
		j.Note(refusalNote(kept))
	}
	if len(pending) > len(kept) {
		s.m.Book.Facts.List = state.ListDigest{} // as Apply does, see there
	}
	if err == nil {
		return Deletions{Confirmed: accepted}, nil
	}
	asked := accepted
	for _, d := range pending[next:] {
		asked = append(asked, d.Key)
	}
	return s.notDeleted(asked, err)
}

// notDeleted is the error of a session in which DELE was sent for the messages
// of asked and not refused, and QUIT was not answered with +OK; nil if that does
// not matter.
func (s *Session) notDeleted(asked []state.Key, err error) (Deletions, error) {
	var refused *pop3.QuitError
	n := len(asked)
	switch {
	case errors.As(err, &refused) && n == 0:
		s.m.Side.Journal.Note(fmt.Sprintf("the server refused to end the session: %v; nothing was to be deleted, so nothing is lost", refused.Err))
		return Deletions{}, nil
	case n == 0:
		return Deletions{}, fmt.Errorf("the session did not end well: %w", err)
	case !s.Client.QuitSent() && s.m.Dialer.Server.Security != pop3.POP2: // see package pop2
		return Deletions{}, &BeforeQuitError{n, err}
	}
	s.m.Tally.Unconfirmed += n
	return Deletions{Asked: asked}, &UnconfirmedError{err}
}

// refusalNote reports the refused DELE commands of a session in one line. Whether
// the messages stay is not known: some of these refusals are about a message that
// another program deleted meanwhile.
func refusalNote(refused []error) string {
	if len(refused) == 1 {
		return fmt.Sprintf("the server refused to delete 1 message: %v; it is delivered, and is deleted later if it is still listed", refused[0])
	}
	return fmt.Sprintf("the server refused to delete %d messages, the first: %v; they are delivered, and are deleted later if they are still listed", len(refused), refused[0])
}

// spareDuplicates leaves out messages that share their UID with one that stays. The
// one that stays would be listed alone next time, under the key of the one that
// went: it would pass for seen.
func spareDuplicates(pending []ledger.Deletion, list []pop3.Message) []ledger.Deletion {
	if list == nil {
		return pending
	}
	staying := make(map[string]int, len(pending))
	for i := range pending {
		staying[pending[i].UID]--
	}
	for i := range list {
		if n, ok := staying[list[i].UID]; ok {
			staying[list[i].UID] = n + 1
		}
	}
	return slices.DeleteFunc(pending, func(d ledger.Deletion) bool { return staying[d.UID] != 0 })
}
