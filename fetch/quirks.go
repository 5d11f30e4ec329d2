package fetch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// quirk is a weakness of the server that an error hints at. It is only a guess
// until a session that was opened with care for it went better: any broken
// connection looks the same.
type quirk struct {
	fact *bool // in the run's facts
	at   *time.Time
	note string
	// login: only a login that succeeds proves it.
	login bool
}

// recheckAfter is how long a server is taken for one that cannot bear pipelining,
// or CAPA. A broken network may have looked like that, once, and it costs speed
// at each run; to try again costs one session.
const recheckAfter = 30 * 24 * time.Hour

// ServerQuirks forgets quirks that were detected too long ago, and returns until when the
// rest holds; zero where there is none.
func ServerQuirks(f *state.Facts, now time.Time) (noPipelining, noCapa time.Time) {
	until := func(fact *bool, at time.Time) time.Time {
		until := at.Add(recheckAfter)
		if *fact = *fact && until.After(now) && !plan.Future(at, now); *fact {
			return until
		}
		return time.Time{}
	}
	return until(&f.NoPipelining, f.NoPipeliningAt), until(&f.NoCapa, f.NoCapaAt)
}

// connect opens a session and lists the maildrop. A server that hangs up on
// something that it announced gets another session without that.
func (r *run) connect(ctx context.Context) (*pop3.Client, []pop3.Message, error) {
	earlier := len(r.quirks) // those are proven by the end of the session
	waited := false
	c, list, err := r.connectOnce(ctx)
	for err != nil {
		first, again := err, r.quirkOf(err, r.sum.Listed > 0) || r.bindingQuirk(err)
		if !again {
			again, err = r.renew(ctx, err)
		}
		if !again && !waited {
			waited = true
			again, err = r.awaitRefused(ctx, err)
		}
		if !again {
			break
		}
		if c, list, err = r.connectOnce(ctx); errors.As(err, new(*pop3.NoLoginError)) {
			err = first // without CAPA there is nothing to log in with
		}
	}
	if err == nil || errors.As(err, new(*pop3.LoginError)) {
		r.confirmQuirks(earlier, err == nil)
	}
	return c, list, err
}

// blamePipelining decides whether a session broke because commands were ahead,
// as far as one can guess: it is then worth a try without. A hang-up or silence
// in mid-pipeline may be the network's: only the second in a run counts.
func (r *run) blamePipelining(e *brokenError) bool {
	s := &r.suspects
	guess := pop3.PipelineRejected(e) || e.pipelined && (s.pipelined > 1 || errors.Is(e, pop3.ErrProtocol))
	if !guess || s.blamed || r.facts.NoPipelining || r.a.Server.Pipelining != pop3.PipelineAuto {
		return false
	}
	s.blamed = true
	r.noteNoPipelining(e)
	return true
}

// noteNoPipelining notes that the server cannot take commands ahead of its
// replies, as err showed.
func (r *run) noteNoPipelining(err error) {
	r.noteQuirk(&r.facts.NoPipelining, &r.facts.NoPipeliningAt,
		seenAt(err)+" when several commands are sent at once (pipelining): sending one at a time from now on")
}

// seenAt says how a session broke.
func seenAt(err error) string {
	var conn *pop3.ConnError
	switch {
	case errors.Is(err, pop3.ErrProtocol):
		return "garbles its replies"
	case errors.As(err, &conn) && conn.Timeout():
		return "falls silent"
	}
	return "hangs up"
}

// quirkOf notes a server's weakness that an error hints at, and reports
// whether another session, opened with care for it, is worth a try. Worked says
// that the same commands were answered in this run when they were sent at once.
func (r *run) quirkOf(err error, worked bool) bool {
	var capa *pop3.CapaError
	switch {
	case pop3.UTF8Broke(err) && r.a.UTF8 == UTF8Auto && !r.facts.NoUTF8:
		r.noteQuirk(&r.facts.NoUTF8, &r.facts.NoUTF8At, seenAt(err)+" at the UTF8 command, which it announces: sessions are without it from now on")
		return true
	case pop3.PipelineRejected(err) && !worked && !r.facts.NoPipelining && r.a.Server.Pipelining == pop3.PipelineAuto:
		r.noteNoPipelining(err)
		return true
	case errors.As(err, &capa) && !capa.Refused() && !r.facts.NoCapa:
		r.noteQuirk(&r.facts.NoCapa, &r.facts.NoCapaAt, seenAt(err)+" when it is asked what it can do (CAPA): not asking any more")
		return true
	}
	return false
}

// noteQuirk keeps a quirk of the server until a session confirms it. What is
// the note's text behind "the server".
func (r *run) noteQuirk(fact *bool, at *time.Time, what string) {
	*fact = true
	r.quirks = append(r.quirks, quirk{fact: fact, at: at, note: "detected server quirk: the server " + what})
}

// confirmQuirks is for a session that went better: the facts from the given one
// on outlive the run. LoggedIn is false if its login was refused.
func (r *run) confirmQuirks(from int, loggedIn bool) {
	for _, q := range r.quirks[from:] {
		if q.login && !loggedIn {
			*q.fact = false
			continue
		}
		*q.at = r.now()
		r.addNote(q.note)
	}
	r.quirks = r.quirks[:from]
}

// dropQuirk forgets one that was disproved.
func (r *run) dropQuirk(fact *bool) {
	*fact = false
	r.quirks = slices.DeleteFunc(r.quirks, func(q quirk) bool { return q.fact == fact })
}

// dropQuirks forgets what no session has confirmed.
func (r *run) dropQuirks() {
	for _, q := range r.quirks {
		*q.fact = false
	}
	r.quirks = nil
}
