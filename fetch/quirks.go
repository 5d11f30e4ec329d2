package fetch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// lesson is a weakness of the server that an error hints at. It is only a
// guess until a session that was opened with care for it went better: any
// broken connection looks the same.
type lesson struct {
	fact *bool // in the run's facts
	at   *time.Time
	note string
	// login: only a login that succeeds proves it.
	login bool
}

// doubtAfter is how long a server is taken for one that cannot bear pipelining,
// or CAPA. A broken network may have looked like that, once, and it costs speed
// at each run; to try again costs one session.
const doubtAfter = 30 * 24 * time.Hour

// Doubtful forgets what was learnt too long ago, and returns until when the
// rest holds; zero where there is none.
func Doubtful(f *state.Facts, now time.Time) (noPipelining, noCapa time.Time) {
	until := func(fact *bool, at time.Time) time.Time {
		until := at.Add(doubtAfter)
		if *fact = *fact && until.After(now) && !future(at, now); *fact {
			return until
		}
		return time.Time{}
	}
	return until(&f.NoPipelining, f.NoPipeliningAt), until(&f.NoCapa, f.NoCapaAt)
}

// connect opens a session and lists the maildrop. A server that hangs up on
// something that it announced gets another session without that.
func (r *run) connect(ctx context.Context) (*pop3.Client, []pop3.Message, error) {
	earlier := len(r.lessons) // those are proven by the end of the session
	waited := false
	c, list, err := r.connectOnce(ctx)
	for err != nil {
		first, again := err, r.learnFrom(err) || r.learnBinding(err)
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
		r.keepLessons(earlier, err == nil)
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
	r.learnt(&r.facts.NoPipelining, &r.facts.NoPipeliningAt, noteNoPipelining)
	return true
}

const noteNoPipelining = "the server hangs up on several commands at once (pipelining): sending one at a time from now on"

// learnFrom notes a server's weakness that an error hints at, and reports
// whether another session, opened with care for it, is worth a try.
func (r *run) learnFrom(err error) bool {
	var capa *pop3.CapaError
	switch {
	case pop3.UTF8Broke(err) && r.a.UTF8 == UTF8Auto && !r.facts.NoUTF8:
		r.learnt(&r.facts.NoUTF8, &r.facts.NoUTF8At, "the server breaks off when it is sent UTF8, which it announces: sessions are without it from now on")
		return true
	case pop3.PipelineRejected(err) && !r.facts.NoPipelining && r.a.Server.Pipelining == pop3.PipelineAuto:
		r.learnt(&r.facts.NoPipelining, &r.facts.NoPipeliningAt, noteNoPipelining)
		return true
	case errors.As(err, &capa) && !capa.Refused() && !r.facts.NoCapa:
		r.learnt(&r.facts.NoCapa, &r.facts.NoCapaAt, "the server hangs up when it is asked what it can do (CAPA): not asking any more")
		return true
	}
	return false
}

func (r *run) learnt(fact *bool, at *time.Time, note string) {
	*fact = true
	r.lessons = append(r.lessons, lesson{fact: fact, at: at, note: note})
}

// keepLessons is for a session that went better: the facts from the given one
// on outlive the run. LoggedIn is false if its login was refused.
func (r *run) keepLessons(from int, loggedIn bool) {
	for _, l := range r.lessons[from:] {
		if l.login && !loggedIn {
			*l.fact = false
			continue
		}
		*l.at = r.now()
		r.addNote(l.note)
	}
	r.lessons = r.lessons[:from]
}

// dropLesson forgets one that was disproved.
func (r *run) dropLesson(fact *bool) {
	*fact = false
	r.lessons = slices.DeleteFunc(r.lessons, func(l lesson) bool { return l.fact == fact })
}

// dropLessons forgets what no session has confirmed.
func (r *run) dropLessons() {
	for _, l := range r.lessons {
		*l.fact = false
	}
	r.lessons = nil
}
