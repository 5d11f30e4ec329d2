package fetch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Some servers list only a part of a maildrop: Gmail the oldest 250 or so
// conversations that were not fetched before, WildDuck the newest 250
// messages. What comes after them shows in a later session, once these are
// gone. So a session that took something off such a list is followed by
// another, until the list is empty or does not change.

// windowSuspect is how many messages a list must hold before one that we
// emptied is looked at again, on a server whose window is not known.
const windowSuspect = 100

// shortPause is how long a run waits for a server's LOGIN-DELAY in any case:
// runs of a schedule with the same interval come a little early now and then.
const shortPause = 30 * time.Second

// longPause is the most that a run waits for it between two of its sessions: a
// server may announce many years.
const longPause = time.Hour

// gmail reports whether the server is Gmail's, by a capability that it alone
// has.
func gmail(c *pop3.Client) bool { return c.Capabilities().Has("X-GOOGLE-RICO") }

// seenWindow is what one session showed and did.
type seenWindow struct {
	listed, retrieved, deleted int
	gmail                      bool
	reused                     bool           // its messages are others than their UIDs say
	list                       []pop3.Message // of a session that ended well
}

// moreExpected decides whether another session may show other messages.
func (w seenWindow) moreExpected(f *state.Facts) bool {
	switch {
	case w.gmail:
		return w.retrieved > 0 // RETR and QUIT take a message off Gmail's list
	case w.deleted == 0:
		return false
	}
	return w.listed >= windowSuspect || f.Window > 0 && w.listed >= f.Window
}

// unchanged reports whether the list is the one before, although something was
// taken off that: the server does not delete what it says it deletes, or shows
// all of it again. More sessions would go on like that for ever.
func (w seenWindow) unchanged(before seenWindow) bool {
	return !w.reused && slices.EqualFunc(w.list, before.list, func(a, b pop3.Message) bool { return a.UID == b.UID })
}

// learnWindow remembers the size of a window: an emptied list that fills up
// again at once shows it.
func (w seenWindow) learnWindow(f *state.Facts, before seenWindow) {
	if before.listed > 0 && w.listed > 0 && before.deleted >= before.listed {
		f.Window = max(f.Window, before.listed)
	}
}

// sessions runs one session, and more while a windowed maildrop shows others
// or a server needs to be treated with more care.
func (r *run) sessions(ctx context.Context, change *state.Change) error {
	if r.a.Before != nil {
		if err := r.a.Before(ctx); err != nil {
			return err
		}
	}
	defer r.dropLessons()
	var before seenWindow
	for {
		if err := r.awaitLogin(ctx, before.listed > 0); err != nil {
			return err
		}
		w, err := r.session(ctx, change)
		again := err != nil && r.learnFrom(err)
		if err == nil {
			r.keepLessons(0, true)
			w.learnWindow(&r.facts, before)
			if before.deleted > 0 && w.unchanged(before) {
				r.addNote(fmt.Sprintf("the server confirmed %s and still lists these messages: they are delivered and not fetched again; some providers archive instead, by a setting", counted(before.deleted, "deletion")))
			}
			again = r.again || w.moreExpected(&r.facts) && !w.unchanged(before) && !r.limitReached() && r.sum.Failed == 0
		} else {
			w.list = nil
		}
		r.again = false
		if !again {
			return err
		}
		if err := r.between(change); err != nil {
			return err
		}
		before = w
	}
}

// between records what a session leaves before the next one starts.
func (r *run) between(change *state.Change) error {
	change.Facts, change.Targets = &r.facts, r.targetIDs()
	change.Fail = r.takeFailures()
	r.spend(change)
	fault.Point("window.apply")
	if err := r.db.Apply(change); err != nil {
		return &Error{Exit: ExitIO, Err: stateWrite(r.db, err)}
	}
	*change = state.Change{}
	return nil
}

// limitReached reports whether this run may take no more.
func (r *run) limitReached() bool {
	return r.a.Limits.Messages > 0 && r.sum.Fetched >= r.a.Limits.Messages ||
		r.a.Limits.Bytes > 0 && r.sum.Bytes >= r.a.Limits.Bytes
}

// awaitLogin honours the server's LOGIN-DELAY (RFC 2449 section 6.5): a short
// rest is waited for, and so is one up to longPause between the sessions of one
// run; otherwise it is for the account's Wait to say.
func (r *run) awaitLogin(ctx context.Context, within bool) error {
	wait := r.loginPause()
	if wait <= 0 {
		return nil
	}
	if wait > max(r.a.Wait, shortPause) && (!within || wait > longPause) {
		return &Error{Exit: ExitTemp, Err: fmt.Errorf("the server allows one login every %s; the next is due in %s",
			inBrief(r.facts.LoginDelay), inBrief(wait.Round(time.Second))),
			Hint: fmt.Sprintf("run later, or use --wait %s to wait for it", inBrief(r.facts.LoginDelay))}
	}
	r.enter(Waiting)
	r.log.Info("waiting for the server's login delay", "wait", wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// loginPause is how much of the server's LOGIN-DELAY is left.
func (r *run) loginPause() time.Duration {
	if r.facts.LoginDelay <= 0 || r.facts.LastLogin.IsZero() || future(r.facts.LastLogin, r.now()) {
		return 0
	}
	return min(r.facts.LastLogin.Add(r.facts.LoginDelay).Sub(r.now()), r.facts.LoginDelay)
}
