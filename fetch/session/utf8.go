package session

import (
	"errors"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

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
