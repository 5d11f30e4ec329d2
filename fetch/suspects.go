package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

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
	broke     map[state.Key]int  // how often a session broke there
	near      map[state.Key]bool // asked for, or not sure, when one broke: they go one at a time
	asked     int                // messages that this session has answered in full passes
	quirk     state.Key          // where the session broke that pipelining is blamed for
	blamed    bool               // pipelining, in this run: not twice
	pipelined int                // sessions that broke with commands ahead
	deferred  int                // how often the suspects had to wait
	doubted   int                // sessions in which a message was in doubt for the first time
	broken    int                // sessions that broke
	fruitless int                // of them, the last in a row that brought nothing
	cause     error              // of the last one, until another goes well
}

// brokenError is the end of a session at one message.
type brokenError struct {
	*MessageError
	item      plan.Item
	near      []state.Key // asked for behind it, or not sure before it
	first     bool        // nothing else was asked for in the session
	pipelined bool        // something was asked for behind it
}

// Unwrap returns the error that names the message.
func (e *brokenError) Unwrap() error { return e.MessageError }

// MessageError is what went wrong with one message, and which one it is.
type MessageError struct {
	UID  string
	Size int64 // octets as LIST says, -1 if it does not
	Err  error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("message %s (%s): %v", shownUID(e.UID), shownSize(e.Size), e.Err)
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

// unnamed is err without the name of its message, for where that has a place of
// its own.
func unnamed(err error) error {
	var named *MessageError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// shownUID is a unique-id, which is foreign text, as an error shows it.
func shownUID(uid string) string {
	const most = 100
	if len(uid) > most {
		return strconv.QuoteToASCII(uid[:most]) + "..."
	}
	if q := strconv.QuoteToASCII(uid); len(q) != len(uid)+2 || uid == "" {
		return q
	}
	return uid
}

func shownSize(n int64) string {
	switch {
	case n < 0:
		return "of unknown size"
	case n < 10<<10:
		return counted(int(n), "octet")
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

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
	e := &brokenError{MessageError: &MessageError{items[i].UID, items[i].Size, err}, item: items[i], first: s.asked+i == 0, pipelined: len(at.Ahead) > 0}
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
func (s *suspects) portions(items []plan.Item, failed func(state.Key) bool, busy, more bool) (out []portion, later int) {
	if !slices.ContainsFunc(items, func(it plan.Item) bool { return it.Suspect || s.near[it.Key] || failed(it.Key) }) {
		return []portion{{items, false}}, 0
	}
	var proof, careful, rest, suspect []plan.Item
	for _, it := range items {
		switch {
		case failed(it.Key):
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
	if more && s.deferred < maxFruitless && len(suspect) > 0 && (busy || len(proof)+len(careful)+len(rest) > 0) {
		s.deferred++
		return out, len(suspect)
	}
	return append(out, portion{suspect, true}), 0
}

// worthComparing leaves out the messages that a session broke at when they were
// compared, so that they do not hold up the deletions of others. Each is tried in
// a session that has nothing else to do (it is busy, else), and pauses when it
// failed.
func (r *run) worthComparing(items []plan.Item, busy bool, w *seenWindow) (out []plan.Item) {
	var alone []plan.Item
	for _, it := range items {
		fail := failureAt(r.failures[it.Key], "")
		switch {
		case r.failedHere(it.Key), fail != nil && fail.Next.After(r.now()):
		case fail != nil, r.suspects.broke[it.Key] > 0:
			it.Suspect = true
			alone = append(alone, it)
		default:
			out = append(out, it)
		}
	}
	if len(out) == 0 && len(alone) > 0 && !busy {
		out, alone = alone[:1], alone[1:]
	}
	if s := &r.suspects; len(alone) > 0 && s.deferred < maxFruitless && r.mayReconnect() {
		s.deferred++
		w.later += len(alone)
	}
	return out
}

// note counts a broken session.
func (s *suspects) note(e *brokenError, brought bool) {
	if s.broke == nil {
		s.broke, s.near = make(map[state.Key]int), make(map[state.Key]bool)
	}
	s.broke[e.item.Key]++
	s.broken++
	s.fruitless++
	if brought {
		s.fruitless = 1
	}
	if e.pipelined {
		s.pipelined++
	}
	for _, k := range e.near {
		s.near[k] = true
	}
	s.cause = e
}

// suspect puts a message on record as one to be tried last and alone, without
// counting a failure. It stays on the server.
func (r *run) suspect(it *plan.Item, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, why := r.now(), unnamed(why)
	fail := state.Failure{First: now}
	if old := failureAt(r.failures[it.Key], ""); old != nil {
		fail = *old
	}
	fail.Key, fail.Size, fail.Suspect = it.Key, max(it.Size, 0), true
	fail.Last, fail.Next, fail.Err = now, now, why.Error()
	r.fails[it.Key] = append(r.fails[it.Key], fail)
	r.log.Info("message waits, to be tried last and alone", "uid", it.UID, "num", it.Num, "bytes", it.Size, "err", unnamed(why))
}

// afterBroken decides how to go on after a session that ended with an error:
// with another one, or with the error that is left.
func (r *run) afterBroken(w seenWindow, err error) (again bool, left error) {
	var e *brokenError
	if errors.As(err, &e) {
		again = r.broke(e, w.brought, w.left || w.later > 0)
		return again, r.suspects.cause
	}
	return r.quirkOf(err, false), joined(r.suspects.cause, err)
}

// broke notes that a session broke at a message, and what came of it otherwise:
// whether it brought any, and whether something is left to do. It reports
// whether another session is worth a try.
func (r *run) broke(e *brokenError, brought, left bool) (again bool) {
	s, key := &r.suspects, e.item.Key
	s.note(e, brought)
	again = r.mayReconnect()
	if r.blamePipelining(e) {
		s.quirk = key // it comes first in the next session, and shows whose fault it was
		r.suspect(&e.item, e)
		return again
	}
	if s.quirk == key {
		r.dropQuirk(&r.facts.NoPipelining)
		s.quirk = ""
	}
	repeated := e.item.Suspect || s.broke[key] > 1
	if e.pipelined || !repeated || !e.first && again || r.prints.late { // late: its key is its place in this listing

		r.suspect(&e.item, e)
		return again
	}
	r.failMessage(&e.item, "", e)
	s.cause = nil // the message's, not the session's
	return left && again
}

// mayReconnect reports whether the run may open another session after a broken
// one, or for a suspect: not many, and none that the server wants a wait for
// (RFC 2449 section 6.5).
func (r *run) mayReconnect() bool {
	s := &r.suspects
	return s.broken < maxBroken && s.fruitless < maxFruitless && r.loginPause() <= max(r.a.Wait, shortPause)
}

// failedHere reports whether the retrieval of a message failed in this run.
func (r *run) failedHere(k state.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.failed[k].targets, "")
}
