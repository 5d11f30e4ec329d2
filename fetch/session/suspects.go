package session

import (
	"context"
	"errors"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A session that breaks at a message does not say why: the network failed, the
// server cannot send this message, or, with commands ahead, it broke at
// another one. So the message is a suspect at first: it waits until the others
// have arrived, and is then asked for alone. Only what breaks a session again,
// with nothing else under way, is that message's failure; it counts, and pauses
// as any other. A message whose body is in doubt goes the same way.

// Bounds of the further sessions of one run after broken ones: each of them is a
// login that the server may count.
const (
	maxBroken    = 10 // in all
	maxFruitless = 3  // in a row that brought no message
	maxDoubted   = 3  // because of doubt
)

// suspects is what one run knows of its broken sessions. The network side alone
// uses it.
type suspects struct {
	dialer    *Dialer
	ledger    *ledger.Ledger
	broke     map[state.Key]int  // how often a session broke there
	near      map[state.Key]bool // asked for, or not sure, when one broke: they go one at a time
	asked     int                // messages that this session has answered in full passes
	quirk     state.Key          // where the session broke that pipelining is blamed for
	blamed    bool               // pipelining, in this run: not twice
	pipelined int                // sessions that broke with commands ahead
	tries     tries
	cause     error // of the last broken session, until another goes well
	again     bool  // another session is wanted: it has what this one lacked
}

// tries are bounded, see maxBroken and the others.
type tries struct {
	deferred  int // how often the suspects had to wait
	doubted   int // sessions in which a message was in doubt for the first time
	broken    int // sessions that broke
	fruitless int // of them, the last in a row that brought nothing
}

// brokenError is the end of a session at one message.
type brokenError struct {
	*ledger.MessageError
	item      plan.Item
	near      []state.Key // asked for behind it, or not sure before it
	first     bool        // nothing else was asked for in the session
	pipelined bool        // something was asked for behind it
}

// Unwrap returns the error that names the message.
func (e *brokenError) Unwrap() error { return e.MessageError }

// brokenAt adds to the error of a session the message of the pass that it broke
// at; any other error stays as it is.
func (s *suspects) brokenAt(items []plan.Item, err error) error {
	var at *pop3.RetrieveError
	if !errors.As(err, &at) || errors.Is(err, context.Canceled) {
		return err
	}
	i := slices.IndexFunc(items, func(it plan.Item) bool { return it.Num == at.Message.Num })
	if i < 0 {
		return err
	}
	near := make(map[int]bool, len(at.Ahead)+len(at.Unsure))
	for _, m := range slices.Concat(at.Ahead, at.Unsure) {
		near[m.Num] = true
	}
	e := &brokenError{MessageError: &ledger.MessageError{UID: items[i].UID, Size: items[i].Size, Err: err}, item: items[i], first: s.asked+i == 0, pipelined: len(at.Ahead) > 0}
	for _, it := range items {
		if near[it.Num] {
			e.near = append(e.near, it.Key)
		}
	}
	return e
}

// portion is a part of what a session retrieves.
type portion struct {
	items []plan.Item
	alone bool // one at a time
}

// portions orders what a session retrieves: the message that shows whether
// pipelining is to blame, what had been asked for when an earlier session broke,
// the rest, and the suspects. These wait for a session that
// has nothing else to do (it is busy, else), if there will be more; later is how
// many do. What failed in this run is left out.
func (s *suspects) portions(items []plan.Item, busy bool) (out []portion, later int) {
	if !slices.ContainsFunc(items, func(it plan.Item) bool { return it.Suspect || s.near[it.Key] || s.ledger.Failed(it.Key) }) {
		return []portion{{items, false}}, 0
	}
	var proof, careful, rest, suspect []plan.Item
	for _, it := range items {
		switch {
		case s.ledger.Failed(it.Key):
		case it.Suspect && it.Key == s.quirk:
			proof = append(proof, it)
		case it.Suspect:
			suspect = append(suspect, it)
		case s.near[it.Key]:
			careful = append(careful, it)
		default:
			rest = append(rest, it)
		}
	}
	out = []portion{{proof, true}, {careful, true}, {rest, false}}
	if s.tries.deferred < maxFruitless && len(suspect) > 0 && s.mayReconnect() && (busy || len(proof)+len(careful)+len(rest) > 0) {
		s.tries.deferred++
		return out, len(suspect)
	}
	return append(out, portion{suspect, true}), 0
}

// worthComparing leaves out the messages that a session broke at when they were
// compared, so that they do not hold up the deletions of others. Each is tried in
// a session that has nothing else to do (it is busy, else), with those of the same
// unique-id, of which none is deleted without the others, and pauses when it
// failed.
func (s *suspects) worthComparing(items []plan.Item, busy bool) (out []plan.Item, later int) {
	doubted := func(it plan.Item) bool { return s.broke[it.Key] > 0 || s.ledger.Recorded(it.Key, "") != nil }
	suspect := make(map[string]bool)
	for _, it := range items {
		suspect[it.UID] = suspect[it.UID] || doubted(it)
	}
	var alone []plan.Item
	for _, it := range items {
		fail := s.ledger.Recorded(it.Key, "")
		switch {
		case s.ledger.Failed(it.Key), fail != nil && fail.Next.After(s.dialer.Journal.Now()):
		case suspect[it.UID]:
			it.Suspect = doubted(it)
			alone = append(alone, it)
		default:
			out = append(out, it)
		}
	}
	if len(out) == 0 && len(alone) > 0 && !busy {
		uid := alone[0].UID
		out = slices.DeleteFunc(slices.Clone(alone), func(it plan.Item) bool { return it.UID != uid })
		alone = slices.DeleteFunc(alone, func(it plan.Item) bool { return it.UID == uid })
	}
	if len(alone) > 0 && s.tries.deferred < maxFruitless && s.mayReconnect() {
		s.tries.deferred++
		later = len(alone)
	}
	return out, later
}

// note counts a broken session.
func (s *suspects) note(e *brokenError, brought bool) {
	s.broke[e.item.Key]++
	s.tries.broken++
	s.tries.fruitless++
	if brought {
		s.tries.fruitless = 1
	}
	if e.pipelined {
		s.pipelined++
	}
	for _, k := range e.near {
		s.near[k] = true
	}
	s.cause = e
}

// afterBroken decides how to go on after a session that ended with an error:
// with another one, or with the error that is left.
func (s *suspects) afterBroken(res *Result, err error) (again bool, left error) {
	if e, ok := errors.AsType[*brokenError](err); ok {
		again = s.brokeAt(e, res)
		return again, s.cause
	}
	return s.dialer.quirkOf(err, false), ledger.Join(s.cause, err)
}

// brokeAt notes that a session broke at a message, and what came of it
// otherwise. It reports whether another session is worth a try.
func (s *suspects) brokeAt(e *brokenError, res *Result) (again bool) {
	key := e.item.Key
	s.note(e, res.brought)
	again = s.mayReconnect()
	if s.blamePipelining(e) {
		s.quirk = key // it comes first in the next session, and shows whose fault it was
		s.ledger.Suspect(&e.item, e)
		return again
	}
	if s.quirk == key {
		s.dialer.dropQuirk(&s.dialer.Facts.NoPipelining)
		s.quirk = ""
	}
	repeated := e.item.Suspect || s.broke[key] > 1
	if e.pipelined || !repeated || !e.first && again || res.late { // late: its key is its place in this listing
		s.ledger.Suspect(&e.item, e)
		return again
	}
	s.ledger.Fail(&e.item, "", e, false)
	s.cause = nil // the message's, not the session's
	return again && (res.left || res.later > 0)
}

// blamePipelining decides whether a session broke because commands were ahead,
// as far as one can guess: it is then worth a try without. A hang-up or silence
// in mid-pipeline may be the network's: only the second in a run counts.
func (s *suspects) blamePipelining(e *brokenError) bool {
	guess := pop3.PipelineRejected(e) || e.pipelined && (s.pipelined > 1 || errors.Is(e, pop3.ErrProtocol))
	if !guess || s.blamed || s.dialer.Facts.NoPipelining || s.dialer.Server.Pipelining != pop3.PipelineAuto {
		return false
	}
	s.blamed = true
	s.dialer.noteNoPipelining(e)
	return true
}

// mayReconnect reports whether the run may open another session after a broken
// one, or for a suspect: not many, and none that the server wants a wait for
// (RFC 2449 section 6.5).
func (s *suspects) mayReconnect() bool {
	return s.tries.broken < maxBroken && s.tries.fruitless < maxFruitless && s.dialer.Pause() <= max(s.dialer.Wait, shortPause)
}

// doubtful notes a message that may not be whole. It stays on the server, and is
// asked for again alone: in another session of this run if there may be one,
// else in the next run, where it counts as a failure.
func (s *suspects) doubtful(it *plan.Item, why error) {
	named := &deliver.Error{Class: deliver.Later, Err: &ledger.MessageError{UID: it.UID, Size: it.Size, Err: why}}
	if !it.Suspect && s.tries.doubted < maxDoubted && s.mayReconnect() {
		s.ledger.Suspect(it, named)
		if !s.again {
			s.tries.doubted++
		}
		s.again = true
		return
	}
	alone := *it
	alone.Suspect = true // in the next run it is asked for alone
	s.ledger.Fail(&alone, "", named, false)
}
