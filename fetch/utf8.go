package fetch

import (
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// The UTF8 command (RFC 6856) is sent wherever it is announced: without it some
// servers refuse messages with 8-bit headers, and Courier sends a text of its
// own in their place, with no error at all.

// UTF8Quirk is until when a server that refuses UTF8, or breaks the session at
// it, gets sessions without; zero if there is no such quirk on record.
func UTF8Quirk(f *state.Facts, now time.Time) time.Time {
	until := f.NoUTF8At.Add(recheckAfter)
	if f.NoUTF8 && until.After(now) && !plan.Future(f.NoUTF8At, now) {
		return until
	}
	return time.Time{}
}

// sendsUTF8 reports whether the next session is to ask for UTF8.
func (r *run) sendsUTF8() bool {
	return r.a.UTF8 == UTF8On || r.a.UTF8 == UTF8Auto && !r.facts.NoUTF8
}

// noteUTF8 keeps what the session showed. A refusal is no guess, but servers
// are set up anew: it holds as long as the other quirks.
func (r *run) noteUTF8(c *pop3.Client) {
	if r.facts.UTF8 = c.UTF8(); r.facts.UTF8 {
		r.facts.NoUTF8 = false
	}
	if c.UTF8Refused() && !r.facts.NoUTF8 {
		r.facts.NoUTF8, r.facts.NoUTF8At = true, r.now()
		r.addNote("detected server quirk: the server announces UTF8 and refuses it: sessions are without it from now on")
	}
}

// needsUTF8 reports whether a message was refused because the session lacks
// the UTF8 command (RFC 6856 section 2.1) and another session may have it: one
// that an earlier run thought better of. The message is then not a failed one.
func (r *run) needsUTF8(c *pop3.Client, refused error) bool {
	var said *pop3.Error
	if !errors.As(refused, &said) || said.Code != pop3.UTF8 || c.UTF8() || c.UTF8Refused() ||
		r.a.UTF8 != UTF8Auto || !c.Capabilities().Has("UTF8") {
		return false
	}
	if r.facts.NoUTF8 && r.facts.NoUTF8At.Before(r.sum.Started) {
		r.facts.NoUTF8, r.again = false, true
		r.addNote("the server wants the UTF8 command for some messages: sending it again")
	}
	return r.again
}
