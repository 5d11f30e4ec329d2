package session

import (
	"errors"
	"slices"
	"strings"
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

// Unbound leaves out the logins with channel binding, for a server that
// announces one that it cannot verify. As long as that is a guess, only SCRAM
// without it is left: whoever is in between could make the same refusal, and
// must not get the password itself by it.
func Unbound(logins []pop3.Login, guess bool) []pop3.Login {
	var out []pop3.Login
	for _, l := range logins {
		bound := strings.HasSuffix(l.Name, "-PLUS")
		if !bound && (!guess || strings.HasPrefix(l.Name, "SCRAM-")) {
			out = append(out, l)
		}
	}
	return out
}

// logins are those of the account that the server can be expected to bear.
func (d *Dialer) logins() []pop3.Login {
	if !d.Facts.NoBinding {
		return d.Server.Logins
	}
	if rest := Unbound(d.Server.Logins, d.Facts.NoBindingAt.IsZero()); len(rest) > 0 {
		return rest
	}
	return d.Server.Logins // the account insists on the binding
}

// bindingQuirk notes that the server cannot verify the channel binding, if err
// shows that, and reports whether another session without it is worth a try.
func (d *Dialer) bindingQuirk(err error) bool {
	var login *pop3.LoginError
	if !errors.As(err, &login) || !login.Unbound() || d.Facts.NoBinding || len(Unbound(d.Server.Logins, true)) == 0 {
		return false
	}
	d.Facts.NoBindingAt = time.Time{} // a guess, see logins
	d.noteQuirk(&d.Facts.NoBinding, &d.Facts.NoBindingAt, "announces SCRAM with channel binding (-PLUS) and cannot verify it: logging in by SCRAM without it from now on; "+
		"an account that names SCRAM-SHA-256-PLUS as its login insists on it")
	d.quirks[len(d.quirks)-1].login = true
	return true
}

// UTF8 says when the UTF8 command is sent.
type UTF8 uint8

const (
	// UTF8Auto sends it where the server announces it and does not break at it.
	UTF8Auto UTF8 = iota
	// UTF8On sends it wherever it is announced, UTF8Off never.
	UTF8On
	UTF8Off
)

// String names it as people do.
func (u UTF8) String() string {
	return [...]string{"auto", "on", "off"}[min(u, UTF8Off)]
}

// The UTF8 command (RFC 6856) is sent wherever it is announced: without it some
// servers refuse messages with 8-bit headers, and Courier sends a text of its
// own in their place, with no error at all.

// sendsUTF8 reports whether the next session is to ask for UTF8.
func (d *Dialer) sendsUTF8() bool {
	return d.UTF8 == UTF8On || d.UTF8 == UTF8Auto && !d.Facts.NoUTF8
}

// noteUTF8 keeps what the session showed. A refusal is no guess, but servers
// are set up anew: it holds as long as the other quirks.
func (d *Dialer) noteUTF8(c *pop3.Client) {
	if d.Facts.UTF8 = c.UTF8(); d.Facts.UTF8 {
		d.Facts.NoUTF8 = false
	}
	if c.UTF8Refused() && !d.Facts.NoUTF8 {
		d.Facts.NoUTF8, d.Facts.NoUTF8At = true, d.Journal.Now()
		d.Journal.Note("detected server quirk: the server announces UTF8 and refuses it: sessions are without it from now on")
	}
}

// needsUTF8 reports whether a message was refused because the session lacks
// the UTF8 command (RFC 6856 section 2.1) and another session may have it: one
// that an earlier run thought better of. The message is then not a failed one.
func (d *Dialer) needsUTF8(c *pop3.Client, refused error) bool {
	var said *pop3.Error
	if !errors.As(refused, &said) || said.Code != pop3.UTF8 || c.UTF8() || c.UTF8Refused() ||
		d.UTF8 != UTF8Auto || !c.Capabilities().Has("UTF8") {
		return false
	}
	if d.Facts.NoUTF8 && d.Facts.NoUTF8At.Before(d.Journal.Started()) {
		d.Facts.NoUTF8 = false
		d.Journal.Note("the server wants the UTF8 command for some messages: sending it again")
	}
	return !d.Facts.NoUTF8
}
