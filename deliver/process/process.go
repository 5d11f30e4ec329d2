// Package process runs what may never end: another program, or a call to a service
// of the system such as the keyring. Both may wait for a person who is not there.
package process

import (
	"cmp"
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"
)

// LateError says that something took longer than it may.
type LateError struct{ Limit time.Duration }

// Error implements error.
func (e *LateError) Error() string { return "took longer than " + e.Limit.String() }

// grace is how long a command has after SIGTERM.
const grace = 2 * time.Second

// Run runs a command without a shell until it ends, ctx is done or the limit is
// over; set, if not nil, completes it first. The command is then ended with
// SIGTERM, and after 2 s with SIGKILL; so are its descendants, unless there is a
// terminal at which they may ask. A command that ended well may leave a process
// behind. The error is a *LateError, that of ctx, an *ExitError, or of package os/exec.
func Run(ctx context.Context, limit time.Duration, argv []string, set func(*Cmd)) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := &Cmd{Args: argv, WaitDelay: grace, Leads: !atTerminal()}
	if set != nil {
		set(c)
	}
	if err := cmp.Or(ctx.Err(), c.Start()); err != nil {
		return err
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ended:
			return
		case <-bounded.Done():
		}
		_ = c.End(false)
		select {
		case <-ended:
		case <-time.After(grace):
		}
		_ = c.End(true) // and descendants that ignored SIGTERM
	})
	err := c.Wait()
	close(ended)
	watch.Wait()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case bounded.Err() != nil:
		return cmp.Or(ctx.Err(), error(&LateError{limit}))
	}
	return err
}

// Start starts a command that goes on. Stop, which waits for its end, gives it a
// moment to end by itself, as a command does whose input has ended, and then ends it
// as Run does.
func Start(c *Cmd) (stop func(), err error) {
	c.WaitDelay = grace // a child of its own may hold the pipe
	c.Leads = !atTerminal()
	if err := c.Start(); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		late := time.AfterFunc(grace/2, func() { _ = c.End(false) })
		kill := time.AfterFunc(grace, func() { _ = c.End(true) })
		_ = c.Wait()
		kill.Stop()
		if !late.Stop() {
			_ = c.End(true) // descendants
		}
	}), nil
}

// Call runs a call that cannot be interrupted: when ctx is done or the limit is
// over, it is left to itself, and ends with the process. The error is a *LateError,
// that of ctx, or that of the call.
func Call(ctx context.Context, limit time.Duration, call func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got := make(chan answer, 1)
	go func() {
		text, err := call()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-bounded.Done():
		return "", cmp.Or(ctx.Err(), error(&LateError{limit}))
	}
}
