package session

import (
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

// Quirks are until when the quirks of a server that are on record hold; zero where
// there is none.
type Quirks struct{ NoPipelining, NoCapa, NoUTF8, NoBinding, SmallHello time.Time }

// QuirksOf returns those that were not detected too long ago.
func QuirksOf(f *state.Facts, now time.Time) Quirks {
	until := func(quirk bool, at time.Time) time.Time {
		until := at.Add(recheckAfter)
		if quirk && until.After(now) && !plan.Future(at, now) {
			return until
		}
		return time.Time{}
	}
	return Quirks{until(f.NoPipelining, f.NoPipeliningAt), until(f.NoCapa, f.NoCapaAt), until(f.NoUTF8, f.NoUTF8At),
		until(f.NoBinding, f.NoBindingAt), until(f.SmallHello, f.SmallHelloAt)}
}

// Recheck forgets the quirks that were detected too long ago.
func Recheck(f *state.Facts, now time.Time) {
	q := QuirksOf(f, now)
	f.NoPipelining, f.NoCapa = !q.NoPipelining.IsZero(), !q.NoCapa.IsZero()
	f.NoUTF8, f.NoBinding, f.SmallHello = !q.NoUTF8.IsZero(), !q.NoBinding.IsZero(), !q.SmallHello.IsZero()
}

// noteNoPipelining notes that the server cannot take commands ahead of its
// replies, as err showed.
func (d *Dialer) noteNoPipelining(err error) {
	d.noteQuirk(&d.Facts.NoPipelining, &d.Facts.NoPipeliningAt,
		seenAt(err)+" when several commands are sent at once (pipelining): sending one at a time from now on")
}

// seenAt says how a session broke.
func seenAt(err error) string {
	var conn *pop3.ConnError
	var secure *pop3.TLSError
	switch {
	case errors.Is(err, pop3.ErrProtocol):
		return "garbles its replies"
	case errors.As(err, &conn) && conn.Timeout(), errors.As(err, &secure) && secure.Kind == pop3.TLSTimeout:
		return "falls silent"
	}
	return "hangs up"
}

// quirkOf notes a server's weakness that an error hints at, and reports
// whether another session, opened with care for it, is worth a try. Worked says
// that the same commands were answered in this run when they were sent at once.
func (d *Dialer) quirkOf(err error, worked bool) bool {
	var capa *pop3.CapaError
	var secure *pop3.TLSError
	switch {
	case errors.As(err, &secure) && secure.Unanswered && !d.Facts.SmallHello:
		d.noteQuirk(&d.Facts.SmallHello, &d.Facts.SmallHelloAt, "or something on the way "+seenAt(err)+
			" when the TLS greeting is large: sessions are without post-quantum key exchange (X25519MLKEM768) from now on")
		return true
	case pop3.UTF8Broke(err) && d.UTF8 == UTF8Auto && !d.Facts.NoUTF8:
		d.noteQuirk(&d.Facts.NoUTF8, &d.Facts.NoUTF8At, seenAt(err)+" at the UTF8 command, which it announces: sessions are without it from now on")
		return true
	case pop3.PipelineRejected(err) && !worked && !d.Facts.NoPipelining && d.Server.Pipelining == pop3.PipelineAuto:
		d.noteNoPipelining(err)
		return true
	case errors.As(err, &capa) && !capa.Refused() && !d.Facts.NoCapa:
		d.noteQuirk(&d.Facts.NoCapa, &d.Facts.NoCapaAt, seenAt(err)+" when it is asked what it can do (CAPA): not asking any more")
		return true
	}
	return false
}

// noteQuirk keeps a quirk of the server until a session confirms it. What is
// the note's text behind "the server".
func (d *Dialer) noteQuirk(fact *bool, at *time.Time, what string) {
	*fact = true
	d.quirks = append(d.quirks, quirk{fact: fact, at: at, note: "detected server quirk: the server " + what})
}

// confirmQuirks is for a session that went better: the facts from the given one
// on outlive the run. LoggedIn is false if its login was refused.
func (d *Dialer) confirmQuirks(from int, loggedIn bool) {
	for _, q := range d.quirks[from:] {
		if q.login && !loggedIn {
			*q.fact = false
			continue
		}
		*q.at = d.Journal.Now()
		d.Journal.Note(q.note)
	}
	d.quirks = d.quirks[:from]
}

// dropQuirk forgets one that was disproved.
func (d *Dialer) dropQuirk(fact *bool) {
	*fact = false
	d.quirks = slices.DeleteFunc(d.quirks, func(q quirk) bool { return q.fact == fact })
}

// DropQuirks forgets what no session has confirmed.
func (d *Dialer) DropQuirks() {
	for _, q := range d.quirks {
		*q.fact = false
	}
	d.quirks = nil
}
