package proof

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// purgeBatch is how many messages are deleted in one session: each session's
// QUIT is confirmed before the next begins.
const purgeBatch = 500

// PurgeReport says what Purge did.
type PurgeReport struct {
	// Listed is what the server held at first, Eligible what of it was
	// delivered and is old enough, Verified what of that was found intact now.
	Listed, Eligible, Verified int
	// Deleted were confirmed by QUIT. Left are those of them that the last
	// listing still holds; there should be none.
	Deleted, Left int
	// Remaining is what the server holds in the end. Proven: the server was
	// listed again. If not, Left is not known, and Remaining is the first listing
	// less what was confirmed.
	Remaining int
	Proven    bool
	// Unconfirmed are deletions that Purge asked for and no QUIT confirmed.
	Unconfirmed int
	// Verify are the findings about the eligible messages.
	Verify VerifyReport
	// Notes are facts that a person should know.
	Notes []string
}

// Purge deletes from the server what was delivered, was first seen longer ago
// than older, and is read back intact now. Then it lists the maildrop again, to
// prove that these messages are gone. With dry set it deletes nothing.
func (p *Prover) Purge(ctx context.Context, a *fetch.Account, older time.Duration, dry bool, report func(Check)) (rep PurgeReport, err error) {
	err = p.hold(ctx, a, func(h *held) error {
		defer func() { rep.Notes = h.Journal.Notes() }()
		if err := h.Recover(ctx); err != nil {
			return err
		}
		good, err := h.purgeable(ctx, older, &rep, report)
		if err != nil || dry || len(good) == 0 {
			return err
		}
		if err := h.confirm(ctx, good, &rep, report); err != nil {
			return err
		}
		deletable := make(map[state.Key]bool, len(good))
		for i := range good {
			deletable[good[i].Key] = true
		}
		return h.purge(ctx, deletable, &rep)
	})
	return rep, err
}

// confirm has a person confirm what would be deleted. If the answer took longer than
// a minute, all of it is read back once more, and has to be as it was.
func (h *held) confirm(ctx context.Context, good []state.Entry, rep *PurgeReport, report func(Check)) error {
	if h.prover.Confirm == nil {
		return nil
	}
	asked := h.Journal.Now().Round(0) // the monotonic clock stands still while the machine sleeps
	if err := h.prover.Confirm(ctx, rep); err != nil {
		return err
	}
	if waited := h.Journal.Now().Round(0).Sub(asked); waited >= 0 && waited <= time.Minute {
		return nil
	}
	h.reopen()
	var now VerifyReport
	still, err := h.verify(ctx, good, &now, report)
	if err = cmp.Or(err, now.Away); err == nil && len(still) < len(good) {
		rep.Verified = len(still)
		err = &fetch.Error{Exit: fetch.ExitData, Err: fmt.Errorf("%d of %s changed or vanished while the question waited",
			len(good)-len(still), ledger.Counted(len(good), "verified message"))}
	}
	return err
}

// purgeable lists the maildrop and returns what may go.
func (h *held) purgeable(ctx context.Context, older time.Duration, rep *PurgeReport, report func(Check)) ([]state.Entry, error) {
	if err := h.Drop.Dialer.Await(ctx, false); err != nil {
		return nil, err
	}
	var compared map[state.Key]bool
	listed, err := h.listedKeys(ctx, func(s *session.Session, items []plan.Item) error {
		err := s.CompareListed(ctx, items)
		compared = s.Compared()
		return err
	})
	if err != nil {
		return nil, err
	}
	rep.Listed, rep.Remaining = len(listed), len(listed)
	from, now := plan.AgesFrom(&h.Facts, h.Journal.Now(), plan.Built()), h.Journal.Now()
	entries, err := h.entries(func(e *state.Entry) bool {
		// A message that is listed although it was deleted, and could not be
		// compared, may be another one.
		return listed[e.Key] && delivered(e) && !mayBeOther(e, compared) && (older == 0 || plan.Age(e.FirstSeen, from, now) >= older)
	})
	if err != nil {
		return nil, err
	}
	rep.Eligible = len(entries)
	good, err := h.verify(ctx, entries, &rep.Verify, report)
	rep.Verified = len(good)
	return good, cmp.Or(err, rep.Verify.Away)
}

// mayBeOther reports whether what is listed with the key of an entry may be
// another message than the one that was delivered.
func mayBeOther(e *state.Entry, compared map[state.Key]bool) bool {
	_, decided := compared[e.Key]
	return !decided && (e.Asked || !e.Deleted.IsZero())
}

// delivered reports whether each target of the message has it: we delivered it, or
// the target had it already, which verify has to confirm. A quarantined message
// is not in its target.
func delivered(e *state.Entry) bool {
	return e.Done && e.Source == state.Fetched && len(e.Outcomes) > 0 &&
		!slices.ContainsFunc(e.Outcomes, func(o state.Outcome) bool { return o.Status == state.Quarantined })
}

// purge deletes in batches, a session each, and lists once more at the end.
func (h *held) purge(ctx context.Context, deletable map[state.Key]bool, rep *PurgeReport) error {
	gone := session.NewConfirmed(nil, true)
	for gone.Len() < len(deletable) {
		left := len(deletable)
		n, err := h.purgeSession(ctx, deletable, gone)
		rep.Deleted += n
		rep.Remaining -= n
		if err != nil {
			rep.Unconfirmed = h.Drop.Tally.Unconfirmed
			return &PurgeError{fmt.Errorf("%d deleted and confirmed so far: %w", rep.Deleted, err)}
		}
		if n == 0 && left == len(deletable) {
			break // the rest is not listed any more
		}
	}
	listed, err := h.prove(ctx, gone)
	if err != nil {
		return &PurgeError{fmt.Errorf("%d deleted and confirmed, but the list that would prove it could not be read: %w", rep.Deleted, err)}
	}
	rep.Remaining, rep.Proven = len(listed), true
	rep.Left = gone.Among(listed)
	if rep.Deleted >= rep.Listed && rep.Remaining > rep.Left {
		h.Facts.Window = max(h.Facts.Window, rep.Listed) // emptied, and it filled up again at once
		if err := h.DB.Apply(&state.Change{Facts: &h.Facts}); err != nil {
			return err
		}
	}
	return rep.stillListed()
}

// prove lists the maildrop until it holds nothing of what was deleted, or until
// more looks are not worth it.
func (h *held) prove(ctx context.Context, gone *session.Confirmed) (map[state.Key]bool, error) {
	for {
		listed, err := h.listedKeys(ctx, nil)
		left := session.Unread
		if err == nil {
			left = gone.Among(listed)
		}
		if left == 0 || !fetch.LaterMayHelp(err) {
			return listed, err
		}
		pause, ok := gone.Next(left)
		if !ok {
			return listed, err
		}
		if err := h.Drop.Rest(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// stillListed is the error if the server still lists messages whose deletion it
// confirmed. If some are gone, it is slow; if none is, it does not delete.
func (rep *PurgeReport) stillListed() error {
	gone := rep.Deleted - rep.Left
	switch {
	case rep.Left == 0:
		return nil
	case gone > 0:
		return &fetch.Error{Exit: fetch.ExitTemp, Err: fmt.Errorf("the server confirmed %s: %d %s gone, %d %s still listed", ledger.Counted(rep.Deleted, "deletion"), gone, ledger.IsAre(gone), rep.Left, ledger.IsAre(rep.Left)), Why: fetch.WhyStillListed}
	}
	return &fetch.Error{Exit: fetch.ExitProtocol, Err: fmt.Errorf("the server confirmed %s and still lists %d of these messages", ledger.Counted(rep.Deleted, "deletion"), rep.Left), Why: fetch.WhyNotDeleted}
}

// purgeSession deletes up to one batch and records what QUIT confirmed.
func (h *held) purgeSession(ctx context.Context, deletable map[state.Key]bool, gone *session.Confirmed) (int, error) {
	s, rows, err := h.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer s.Leave()
	var items []plan.Item
	for _, it := range rows {
		if deletable[it.Key] && !gone.Has(it.Key) && len(items) < purgeBatch {
			items = append(items, it)
		}
	}
	for i := range items {
		delete(deletable, items[i].Key) // and back, below, if it may go
	}
	if items, err = s.BeyondDoubt(ctx, items, rows); err != nil {
		return 0, err
	}
	for i := range items {
		deletable[items[i].Key] = true
	}
	// On record before it is asked for: if this process is killed, the next listing shows
	// what was deleted.
	asked := &state.Change{Asked: keysOf(items)}
	fault.Point("purge.asked")
	if err := h.DB.Apply(asked); err != nil {
		return 0, err
	}
	deleted, err := s.DeleteAndQuit(ctx, items, plan.Messages(rows))
	change := &state.Change{Facts: &h.Facts, Unasked: asked.Asked, Deleted: deleted.Confirmed, DeletedAt: h.Journal.Now(), Asked: deleted.Asked}
	fault.Point("purge.apply")
	if aerr := h.DB.Apply(change); err == nil {
		err = aerr
	}
	if err != nil {
		return 0, err
	}
	gone.Add(deleted.Confirmed, nil)
	return len(deleted.Confirmed), nil
}

func keysOf(items []plan.Item) []state.Key {
	keys := make([]state.Key, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	return keys
}

// listedKeys is what the server holds now, in a session of its own, which look
// may use.
func (h *held) listedKeys(ctx context.Context, look func(*session.Session, []plan.Item) error) (map[state.Key]bool, error) {
	s, items, err := h.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Leave()
	if look != nil {
		if err := look(s, items); err != nil {
			return nil, err
		}
	}
	return plan.Keys(items), s.Client.Quit(ctx)
}

// Mail says what a purge that went wrong did to the mail on the server.
func (p *PurgeReport) Mail() string {
	gone := ledger.Deleted{Sure: p.Deleted - p.Left, Open: p.Unconfirmed, Kind: "verified"}
	text := gone.By("purge")
	switch {
	case p.Left == 1:
		text += "; 1 that it confirmed is still listed"
	case p.Left > 1:
		text += fmt.Sprintf("; %d that it confirmed are still listed", p.Left)
	}
	if p.Deleted < p.Verified {
		text += "; run it again for the rest"
	}
	return text
}

// PurgeError is the end of a purge before all was done or proven.
type PurgeError struct{ err error }

func (e *PurgeError) Error() string { return e.err.Error() }

func (e *PurgeError) Unwrap() error { return e.err }
