package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Dialer opens the sessions of one run, and keeps what they show of the server.
type Dialer struct {
	Server *pop3.Server
	// UTF8 is when the UTF8 command is sent (RFC 6856).
	UTF8 UTF8
	// Wait is how long to wait for a server's LOGIN-DELAY. Zero: not at all.
	Wait time.Duration
	// Renew gets a new secret after a refused login; nil if there is no other.
	// It is called at most once in a run.
	Renew func(ctx context.Context) error
	// Keep is what stays on the server.
	Keep plan.Keep
	// ProveEach asks for proof that a message is whole before the next one.
	ProveEach bool
	Facts     *state.Facts
	Journal   *ledger.Journal

	// Logins is how many times the server let us in, RoundTrips how often the
	// sessions had to wait for the network.
	Logins, RoundTrips int

	quirks  []quirk // not confirmed yet
	renewed bool    // a refused login was tried again with a new secret
}

// lister lists the maildrop in a session whose login went well.
type lister func(ctx context.Context, c *pop3.Client) ([]pop3.Message, error)

// connect opens a session and lists the maildrop. A server that hangs up on
// something that it announced gets another session without that.
func (d *Dialer) connect(ctx context.Context, list lister) (*pop3.Client, []pop3.Message, error) {
	earlier := len(d.quirks) // those are proven by the end of the session
	waited := false
	c, msgs, err := d.connectOnce(ctx, list)
	for err != nil {
		first, again := err, d.quirkOf(err, d.Journal.Progress().Listed > 0) || d.bindingQuirk(err)
		if !again {
			again, err = d.renew(ctx, err)
		}
		if !again && !waited {
			waited = true
			again, err = d.awaitRefused(ctx, err)
		}
		if !again {
			break
		}
		if c, msgs, err = d.connectOnce(ctx, list); errors.As(err, new(*pop3.NoLoginError)) {
			err = first // without CAPA there is nothing to log in with
		}
	}
	if err == nil || errors.As(err, new(*pop3.LoginError)) {
		d.confirmQuirks(earlier, err == nil)
	}
	return c, msgs, err
}

func (d *Dialer) connectOnce(ctx context.Context, list lister) (*pop3.Client, []pop3.Message, error) {
	d.Journal.Enter(ledger.Connecting)
	server := *d.Server
	if d.Facts.NoPipelining && server.Pipelining == pop3.PipelineAuto {
		server.Pipelining = pop3.PipelineOff
	}
	server.SmallHello = d.Facts.SmallHello
	server.NoCapa, server.Logins = d.Facts.NoCapa, d.logins()
	server.UTF8 = d.sendsUTF8()
	server.Sizes, server.ProveEach = pop3.SizeRecord(d.Facts.Sizes), d.ProveEach
	c, err := pop3.Dial(ctx, &server)
	if err != nil {
		return nil, nil, err
	}
	msgs, err := d.open(ctx, c, list)
	if err != nil {
		d.leave(c)
		return nil, nil, err
	}
	return c, msgs, nil
}

func (d *Dialer) open(ctx context.Context, c *pop3.Client, list lister) ([]pop3.Message, error) {
	if err := c.Login(ctx); err != nil {
		return nil, RefusedEarly(c, d.Facts, d.Journal.Now(), err)
	}
	d.Logins++
	d.Facts.LastLogin, d.Facts.NextLogin = d.Journal.Now(), time.Time{}
	d.Journal.Enter(ledger.Listing)
	msgs, err := list(ctx, c)
	if err != nil {
		return nil, err
	}
	d.note(c)
	d.Journal.Log.Info("listed", "login", c.LoginName(), "messages", len(msgs))
	return msgs, nil
}

// note keeps what the session showed of the server.
func (d *Dialer) note(c *pop3.Client) {
	caps := c.Capabilities()
	d.Facts.LoginDelay, _ = caps.LoginDelay()
	d.noteExpire(caps)
	d.noteUTF8(c)
	if weaker := c.LoginStrength(); weaker < d.Facts.AuthStrength {
		d.Journal.Note(fmt.Sprintf("weaker login than before: %s instead of %s; if the server's set-up was not changed, someone may be in between: look at the server's certificate", c.LoginName(), d.Facts.AuthName))
	}
	d.Facts.AuthName, d.Facts.AuthStrength = c.LoginName(), c.LoginStrength()
}

// noteExpire warns, once for each announcement, of a server that says it
// deletes retrieved mail by itself (RFC 2449 section 6.7). It never changes
// the policy: Gmail announces EXPIRE 0 and keeps everything.
func (d *Dialer) noteExpire(caps pop3.Capabilities) {
	days, ok := caps.Expire()
	said := ""
	if ok {
		said = strconv.Itoa(days)
	}
	if ok && !d.Keep.None && d.Facts.Extra[extraExpire] != said {
		d.Journal.Note(fmt.Sprintf("the server announces that it may delete mail %s after it was fetched, whatever this account keeps there; many announce it and do not: see the provider's settings", ledger.Counted(days, "day")))
	}
	d.Facts.SetExtra(extraExpire, said)
}

// extraExpire is where Facts.Extra keeps the last EXPIRE.
const extraExpire = "expire"

// extraTop is where Facts.Extra keeps that TOP worked.
const extraTop = "top"

// leave ends the connection without QUIT, if it still is open.
func (d *Dialer) leave(c *pop3.Client) {
	d.Facts.Sizes = state.SizeRecord(c.SizeRecord())
	d.RoundTrips += c.Flights()
	_ = c.Close()
}

// renew gets a new secret once in a run after the server refused a login whose
// secret can be renewed (an access token may have been revoked early), and
// reports whether another login is worth a try. If there is no new one, the
// error says so first: that is what a person has to see to.
func (d *Dialer) renew(ctx context.Context, err error) (bool, error) {
	var login *pop3.LoginError
	if d.Renew == nil || d.renewed || !errors.As(err, &login) || login.Temporary() {
		return false, err
	}
	if !errors.As(login.Err, new(*pop3.Error)) {
		return false, err // not the server's: there was no secret to send
	}
	d.renewed = true
	if none := d.Renew(ctx); none != nil {
		return false, fmt.Errorf("the server refused the token, and there is no new one: %w (it was refused with: %w)", none, err)
	}
	d.Journal.Log.Info("server refused the token: trying once more with a new one")
	return true, nil
}
