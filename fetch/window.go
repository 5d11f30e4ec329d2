package fetch

import (
	"context"
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

// gmail reports whether the server is Gmail's, by a capability that it alone
// has.
func gmail(c *pop3.Client) bool { return c.Capabilities().Has("X-GOOGLE-RICO") }

// seenWindow is what one session showed and did.
type seenWindow struct {
	listed, retrieved, deleted int
	later                      int  // suspects that it left to another
	brought, left              bool // it brought messages; it leaves something to do
	gmail                      bool
	reused                     bool           // its messages are others than their UIDs say
	list                       []pop3.Message // of a session that ended well
	planned                    bool           // it came as far as a plan
	sure                       bool           // there is more to see
	pause                      time.Duration  // it listed what is about to go: look again then
}

// moreExpected decides whether another session may show other messages, and
// whether that is sure or only suspected.
func (w seenWindow) moreExpected(f *state.Facts) (more, sure bool) {
	switch {
	case w.gmail:
		return w.retrieved > 0, w.listed >= windowSuspect // RETR and QUIT take a message off Gmail's list
	case w.deleted == 0:
		return false, false
	case f.Window > 0 && w.listed >= f.Window:
		return true, true
	}
	return w.listed >= windowSuspect, false
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
	defer r.dropQuirks()
	var before seenWindow
	done := newConfirmed(r.f.lookPauses(), false)
	var unseen error // a look that nothing asked for
	defer func() {
		if note := done.note(unseen); note != "" {
			r.addNote(note)
		}
	}()
	for {
		if err := r.awaitLogin(ctx, before.listed > 0); err != nil {
			return err
		}
		w, err := r.session(ctx, change, done)
		r.sum.Deleted += done.add(change.Deleted, r.compared)
		if err != nil && !w.planned && len(before.list) > 0 {
			var ok bool
			if w.pause, ok = r.lookAfter(done, err); !ok && !before.sure && mayDoWithout(err) {
				unseen = err
				return nil
			}
		}
		if w.pause > 0 {
			if err := r.rest(ctx, w.pause); err != nil {
				return err
			}
			continue
		}
		again := false
		if err == nil {
			r.suspects.cause = nil
			r.confirmQuirks(0, true)
			w.learnWindow(&r.facts, before)
			again = r.further(&w, before)
		} else {
			w.list = nil
			if openLimit(err) != nil {
				r.confirmQuirks(0, true)
			}
			again, err = r.afterBroken(w, err)
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

// further reports whether another session follows one that went well, and notes
// whether that is for sure: a look that nothing asked for is not worth a wait.
func (r *run) further(w *seenWindow, before seenWindow) bool {
	more, sure := w.moreExpected(&r.facts)
	more = more && (sure || r.loginPause() <= r.a.Wait) && !w.unchanged(before) && !r.limitReached() && r.sum.Failed == 0
	waiting := w.later > 0 && r.mayReconnect()
	w.sure = r.again || sure || waiting
	return r.again || more || waiting
}

// rest waits between two looks.
func (r *run) rest(ctx context.Context, d time.Duration) error {
	r.enter(Waiting)
	r.log.Info("looking again for what was deleted", "wait", d)
	return sleep(ctx, d)
}

// between records what a session leaves before the next one starts.
func (r *run) between(change *state.Change) error {
	change.Facts, change.Targets = &r.facts, r.targetIDs()
	change.Fail = r.takeFailures()
	r.spend(change)
	fault.Point("window.apply")
	if err := r.db.Apply(change); err != nil {
		return stateFailed(r.db, err)
	}
	*change = state.Change{}
	return nil
}

// limitReached reports whether this run may take no more.
func (r *run) limitReached() bool {
	return r.a.Limits.Messages > 0 && r.sum.Fetched >= r.a.Limits.Messages ||
		r.a.Limits.Bytes > 0 && r.sum.Bytes >= r.a.Limits.Bytes
}
