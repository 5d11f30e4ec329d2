package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// shortPause is how long one waits for a server's LOGIN-DELAY in any case: runs
// of a schedule with the same interval come a little early now and then.
const shortPause = 30 * time.Second

// longPause is the most that a run waits for it between two of its sessions: a
// server may announce many years.
const longPause = time.Hour

// LoginDelayError: the server allows no login yet (RFC 2449 section 6.5).
type LoginDelayError struct {
	// Delay is the least time between two logins, Wait what is left of it; if
	// the server has refused a login, the most that may be left.
	Delay, Wait time.Duration
	// Refused is the server's refusal, nil if it was not asked.
	Refused error
}

func (e *LoginDelayError) Error() string {
	said := ""
	if e.Refused != nil {
		said = e.Refused.Error() + "; "
	}
	return fmt.Sprintf("%sthe server allows one login every %s; the next is due in %s", said, ledger.Brief(e.Delay), ledger.Brief(e.Wait.Round(time.Second)))
}

// Unwrap returns the server's refusal.
func (e *LoginDelayError) Unwrap() error { return e.Refused }

// Temporary is true: it is over after Wait.
func (*LoginDelayError) Temporary() bool { return true }

// LoginPause is how long the server allows no login yet, as far as is known;
// zero or less if it does.
func LoginPause(f *state.Facts, now time.Time) time.Duration {
	due := f.NextLogin
	if due.Sub(now) > f.LoginDelay {
		due = time.Time{} // the clock was wrong then
	}
	if next := f.LastLogin.Add(f.LoginDelay); !f.LastLogin.IsZero() && !plan.Future(f.LastLogin, now) && next.After(due) {
		due = next
	}
	if f.LoginDelay <= 0 || due.IsZero() {
		return 0
	}
	return min(due.Sub(now), f.LoginDelay)
}

// AwaitLogin waits until the server allows the next login: in any case for half
// a minute, and for as long as the given time. What is left then is a
// *LoginDelayError, and nothing was waited for.
func AwaitLogin(ctx context.Context, f *state.Facts, now time.Time, most time.Duration) error {
	pause := LoginPause(f, now)
	switch {
	case pause <= 0:
		return nil
	case pause > max(most, shortPause):
		return &LoginDelayError{Delay: f.LoginDelay, Wait: pause}
	}
	return Sleep(ctx, pause)
}

// Sleep waits, but not longer than ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// RefusedEarly makes a refused login that came too early a *LoginDelayError, if
// it is known how long to wait, and notes in the facts when the next login is
// due: the one before was not ours, or is not on record. Any other error is
// returned as it is.
func RefusedEarly(c *pop3.Client, f *state.Facts, now time.Time, err error) error {
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Code != pop3.LoginDelay {
		return err
	}
	if delay, _ := c.Capabilities().LoginDelay(); delay > 0 {
		f.LoginDelay = delay
	}
	if f.LoginDelay <= 0 {
		return err
	}
	f.NextLogin = now.Add(f.LoginDelay)
	return &LoginDelayError{Delay: f.LoginDelay, Wait: f.LoginDelay, Refused: err}
}

// Patience is how long a run waits before it calls the server.
func (d *Dialer) Patience() time.Duration { return max(d.Wait, shortPause) }

// Await honours the server's LOGIN-DELAY: a rest up to longPause is waited
// for between the sessions of one run; otherwise it is for the account's Wait
// to say.
func (d *Dialer) Await(ctx context.Context, within bool) error {
	most := d.Patience()
	if within {
		most = max(most, longPause)
	}
	if pause := d.Pause(); pause > 0 && pause <= most {
		d.Journal.Enter(ledger.Waiting)
		d.Journal.Log.Info("waiting for the server's login delay", "wait", pause)
	}
	return AwaitLogin(ctx, d.Facts, d.Journal.Now(), most)
}

// awaitRefused is Await after the server has refused a login as too early.
// It reports whether another try is worth it.
func (d *Dialer) awaitRefused(ctx context.Context, err error) (bool, error) {
	var early *LoginDelayError
	if !errors.As(err, &early) || early.Wait > d.Patience() {
		return false, err
	}
	if werr := d.Await(ctx, false); werr != nil {
		return false, werr
	}
	return true, nil
}

// Pause is how much of the server's LOGIN-DELAY is left.
func (d *Dialer) Pause() time.Duration { return LoginPause(d.Facts, d.Journal.Now()) }

// Rest waits between two looks at what was deleted.
func (m *Maildrop) Rest(ctx context.Context, d time.Duration) error {
	m.Side.Journal.Enter(ledger.Waiting)
	m.Side.Journal.Log.Info("looking again for what was deleted", "wait", d)
	return Sleep(ctx, d)
}
