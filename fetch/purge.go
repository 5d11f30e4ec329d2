package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
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
	// Deleted were confirmed by QUIT, and Left are those of them that the
	// last listing still holds: it must be none.
	Deleted, Left int
	// Remaining is what the server holds in the end. Proven means that it was
	// listed again; else Left is not known, and Remaining is what the first
	// listing has more than was confirmed.
	Remaining int
	Proven    bool
	// Unconfirmed are deletions that were asked for and that no QUIT confirmed.
	Unconfirmed int
	// Verify are the findings about the eligible messages.
	Verify VerifyReport
	// Notes are facts that a person should know.
	Notes []string
}

// Purge deletes from the server what was delivered, is older than the given
// age since it was first seen, and is read back intact now. Then it lists
// again, to prove that it is gone. With dry set it stops before deleting.
func (f *Fetcher) Purge(ctx context.Context, a *Account, older time.Duration, dry bool, tell func(Check)) (rep PurgeReport, err error) {
	r := f.newRun(a)
	err = r.holding(ctx, func() error {
		if err := r.settleIntents(ctx); err != nil {
			return err
		}
		doomed, err := r.purgeable(ctx, older, &rep, tell)
		if err != nil || dry || len(doomed) == 0 {
			return err
		}
		return r.purge(ctx, doomed, &rep)
	})
	rep.Notes = r.sum.Notes
	return rep, err
}

// purgeable lists the maildrop and returns the keys that may go.
func (r *run) purgeable(ctx context.Context, older time.Duration, rep *PurgeReport, tell func(Check)) (map[state.Key]bool, error) {
	if err := r.awaitLogin(ctx, false); err != nil {
		return nil, err
	}
	listed, err := r.listedKeys(ctx, r.answerAndCompare)
	if err != nil {
		return nil, err
	}
	rep.Listed, rep.Remaining = len(listed), len(listed)
	from, now := plan.AgesFrom(&r.facts, r.now(), plan.Built()), r.now()
	entries, err := r.entries(func(e *state.Entry) bool {
		// What is listed although it was deleted, and could not be compared, may
		// be another message.
		return listed[e.Key] && delivered(e) && !r.mayBeOther(e) && (older == 0 || plan.Age(e.FirstSeen, from, now) >= older)
	})
	if err != nil {
		return nil, err
	}
	rep.Eligible = len(entries)
	good, err := r.verify(ctx, entries, &rep.Verify, tell)
	rep.Verified = len(good)
	doomed := make(map[state.Key]bool, len(good))
	for i := range good {
		doomed[good[i].Key] = true
	}
	return doomed, err
}

// compareListed compares what is listed although its deletion was confirmed, or
// asked for.
func (r *run) compareListed(ctx context.Context, c *pop3.Client, items []plan.Item) error {
	var back []plan.Item
	for _, it := range items {
		if e, ok := r.entry(it.Key); ok && e.Done && (e.Asked || !e.Deleted.IsZero()) {
			back = append(back, it)
		}
	}
	if err := r.settleReused(ctx, c, back, plan.NeverReused(plan.Messages(items))); err != nil {
		return err
	}
	back = slices.DeleteFunc(back, func(it plan.Item) bool { _, decided := r.compared[it.Key]; return decided })
	if len(back) == 0 {
		return nil
	}
	found, err := r.compare(ctx, c, back)
	if r.compared == nil {
		r.compared = make(map[state.Key]bool)
	}
	for _, it := range back {
		if found.same[it.Key] || found.other[it.Key] {
			r.compared[it.Key] = found.other[it.Key]
		}
	}
	return err
}

// mayBeOther reports whether what is listed with the key of an entry may be
// another message than the one that was delivered.
func (r *run) mayBeOther(e *state.Entry) bool {
	_, decided := r.compared[e.Key]
	return !decided && (e.Asked || !e.Deleted.IsZero())
}

// beyondDoubt are the messages that may be deleted: those that are the same as
// what was delivered.
func (r *run) beyondDoubt(ctx context.Context, c *pop3.Client, items, rows []plan.Item) ([]plan.Item, error) {
	trusted := plan.NeverReused(plan.Messages(rows)) && !slices.ContainsFunc(rows, func(it plan.Item) bool { return it.Key.Nth() > 0 })
	needsLook := func(it plan.Item) bool {
		e, ok := r.entry(it.Key)
		return !ok || mustCompare(&e, trusted)
	}
	if !slices.ContainsFunc(items, needsLook) {
		return items, nil
	}
	sure := slices.DeleteFunc(slices.Clone(items), needsLook)
	found, err := r.compare(ctx, c, slices.DeleteFunc(slices.Clone(items), func(it plan.Item) bool { return !needsLook(it) }))
	if err != nil {
		return nil, err
	}
	return append(sure, slices.DeleteFunc(items, func(it plan.Item) bool { return !found.same[it.Key] })...), nil
}

// delivered reports whether each target of the message has it: by our delivery,
// or because it had the message already, which verify has to confirm. What was
// set aside is not there.
func delivered(e *state.Entry) bool {
	for _, o := range e.Outcomes {
		if o.Status == state.SetAside {
			return false
		}
	}
	return e.Done && e.Source == state.Fetched && len(e.Outcomes) > 0
}

// purge deletes in batches, a session each, and lists once more at the end.
func (r *run) purge(ctx context.Context, doomed map[state.Key]bool, rep *PurgeReport) error {
	gone := newConfirmed(r.f.lookPauses(), true)
	for len(gone.keys) < len(doomed) {
		left := len(doomed)
		n, err := r.purgeSession(ctx, doomed, gone)
		rep.Deleted += n
		rep.Remaining -= n
		if err != nil {
			rep.Unconfirmed = r.sum.Unconfirmed
			return &PurgeError{fmt.Errorf("%d deleted and confirmed so far: %w", rep.Deleted, err)}
		}
		if n == 0 && left == len(doomed) {
			break // the rest is not listed any more
		}
	}
	listed, err := r.prove(ctx, gone)
	if err != nil {
		return &PurgeError{fmt.Errorf("%d deleted and confirmed, but the list that would prove it could not be read: %w", rep.Deleted, err)}
	}
	rep.Remaining, rep.Proven = len(listed), true
	rep.Left = gone.among(listed)
	if rep.Deleted >= rep.Listed && rep.Remaining > rep.Left {
		r.facts.Window = max(r.facts.Window, rep.Listed) // emptied, and it filled up again at once
		if err := r.db.Apply(&state.Change{Facts: &r.facts}); err != nil {
			return stateWrite(r.db, err)
		}
	}
	return rep.stillListed()
}

// prove lists until nothing of what was deleted is listed, or for as long as it
// is worth it.
func (r *run) prove(ctx context.Context, gone *confirmed) (map[state.Key]bool, error) {
	for {
		listed, err := r.listedKeys(ctx, nil)
		left := unread
		if err == nil {
			left = gone.among(listed)
		}
		if left == 0 || !laterMayHelp(err) {
			return listed, err
		}
		pause, ok := gone.next(left)
		if !ok {
			return listed, err
		}
		if err := r.rest(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// stillListed is the error of a purge after which messages are listed whose
// deletion was confirmed: the server is slow if some are gone, else it does not
// do what it says.
func (rep *PurgeReport) stillListed() error {
	gone := rep.Deleted - rep.Left
	switch {
	case rep.Left == 0:
		return nil
	case gone > 0:
		return &Error{Exit: ExitTemp, Err: fmt.Errorf("the server confirmed %s: %d %s gone, %d %s still listed", counted(rep.Deleted, "deletion"), gone, isAre(gone), rep.Left, isAre(rep.Left)), Why: WhyStillListed}
	}
	return &Error{Exit: ExitProtocol, Err: fmt.Errorf("the server confirmed %s and still lists %d of these messages", counted(rep.Deleted, "deletion"), rep.Left), Why: WhyNotDeleted}
}

// purgeSession deletes up to one batch and records what QUIT confirmed.
func (r *run) purgeSession(ctx context.Context, doomed map[state.Key]bool, gone *confirmed) (int, error) {
	c, rows, err := r.listRows(ctx)
	if err != nil {
		return 0, err
	}
	defer r.leave(c)
	var items []plan.Item
	for _, it := range rows {
		if doomed[it.Key] && !gone.keys[it.Key] && len(items) < purgeBatch {
			items = append(items, it)
		}
	}
	for i := range items {
		delete(doomed, items[i].Key) // and back, below, if it may go
	}
	if items, err = r.beyondDoubt(ctx, c, items, rows); err != nil {
		return 0, err
	}
	for i := range items {
		doomed[items[i].Key] = true
	}
	change := &state.Change{Facts: &r.facts}
	n, err := r.deleteAndQuit(ctx, c, items, plan.Messages(rows), change)
	if aerr := stateWrite(r.db, r.db.Apply(change)); err == nil {
		err = aerr
	}
	if err != nil {
		return 0, err
	}
	gone.add(change.Deleted, nil)
	return n, nil
}

// listRows opens a session, once the server allows it, and gives each listed
// message its key. Who asks the server for the first time in a run calls
// awaitLogin before.
func (r *run) listRows(ctx context.Context) (*pop3.Client, []plan.Item, error) {
	if err := r.awaitLogin(ctx, true); err != nil {
		return nil, nil, err
	}
	c, list, err := r.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = stateWrite(r.db, r.db.Apply(&state.Change{Facts: &r.facts})) // the login, for its LOGIN-DELAY
	if err == nil {
		list, err = r.name(ctx, c, list)
	}
	if err != nil {
		r.leave(c)
		return nil, nil, err
	}
	if r.prints.late {
		r.leave(c)
		return nil, nil, &Error{Exit: ExitProtocol, Err: errors.New("the server gives its messages no names (UIDL) and shows no headers (TOP): they cannot be told apart"), Why: WhyNoIdentity}
	}
	return c, plan.Items(list), nil
}

// listedKeys is what the server holds now, in a session of its own, which look
// may use.
func (r *run) listedKeys(ctx context.Context, look func(context.Context, *pop3.Client, []plan.Item) error) (map[state.Key]bool, error) {
	c, items, err := r.listRows(ctx)
	if err != nil {
		return nil, err
	}
	defer r.leave(c)
	if look != nil {
		if err := look(ctx, c, items); err != nil {
			return nil, err
		}
	}
	return plan.Keys(items), c.Quit(ctx)
}
