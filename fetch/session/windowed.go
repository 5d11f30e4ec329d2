package session

import (
	"slices"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Some servers list only a part of a maildrop: Gmail the oldest 250 or so
// conversations that were not fetched before, WildDuck the newest 250
// messages. What comes after them shows in a later session, once these are
// gone. So a session that took something off such a list is followed by
// another, until the list is empty or does not change.

// WindowSuspect is how many messages a list must hold before one that we
// emptied is looked at again, on a server whose window is not known.
const WindowSuspect = 100

// Gmail reports whether the server is Gmail's, by a capability that it alone
// has.
func Gmail(c *pop3.Client) bool { return c.Capabilities().Has("X-GOOGLE-RICO") }

// moreExpected decides whether another session may show other messages, and
// whether that is sure or only suspected.
func (w *Result) moreExpected(f *state.Facts) (more, sure bool) {
	switch {
	case w.gmail:
		return w.retrieved > 0, w.listed >= WindowSuspect // RETR and QUIT take a message off Gmail's list
	case w.deleted == 0:
		return false, false
	case f.Window > 0 && w.listed >= f.Window:
		return true, true
	}
	return w.listed >= WindowSuspect, false
}

// unchanged reports whether the list is the one before, although something was
// taken off that: the server does not delete what it says it deletes, or shows
// all of it again. More sessions would go on like that for ever.
func (w *Result) unchanged(before *Result) bool {
	return !w.reused && slices.EqualFunc(w.List, before.List, func(a, b pop3.Message) bool { return a.UID == b.UID })
}

// noteWindow remembers the size of a window: an emptied list that fills up
// again at once shows it.
func (w *Result) noteWindow(f *state.Facts, before *Result) {
	if before.listed > 0 && w.listed > 0 && before.deleted >= before.listed {
		f.Window = max(f.Window, before.listed)
	}
}

// Listed is how many messages the session listed.
func (w *Result) Listed() int { return w.listed }

// WentWell notes that a session ended well, and reports whether another one
// follows: a look that nothing asked for is not worth a wait.
func (m *Maildrop) WentWell(w, before *Result) (again bool) {
	m.suspects.cause = nil
	m.Dialer.confirmQuirks(0, true)
	w.noteWindow(m.Dialer.Facts, before)
	more, sure := w.moreExpected(m.Dialer.Facts)
	more = more && (sure || m.Dialer.Pause() <= m.Dialer.Wait) && !w.unchanged(before) && !m.Book.LimitReached() && m.Side.Ledger.Counts().Failed == 0
	waiting := w.later > 0 && m.suspects.mayReconnect()
	w.Sure = w.Again || sure || waiting
	return w.Again || more || waiting
}

// Broke decides how to go on after a session that ended with an error: with
// another one, or with the error that is left.
func (m *Maildrop) Broke(w *Result, err error) (again bool, left error) {
	w.List = nil
	if OpenLimit(err) != nil {
		m.Dialer.confirmQuirks(0, true)
	}
	return m.suspects.afterBroken(w, err)
}
