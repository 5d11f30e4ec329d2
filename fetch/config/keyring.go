package config

import (
	"context"
	"errors"
	"time"
)

// keyringTimeout is how long a keyring may take: a prompt to unlock it may wait
// where nobody sees it.
const keyringTimeout = 15 * time.Second

// KeyringCall runs one call to the system's keyring, which itself cannot be
// interrupted: after 15 s, or when ctx ends, it is left to itself, and ends
// with the process.
func KeyringCall(ctx context.Context, call func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := call()
		got <- answer{text, err}
	}()
	timeout := time.NewTimer(keyringTimeout)
	defer timeout.Stop()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-timeout.C:
		return "", errors.New("no answer from the keyring: is it locked, and does it ask where nobody sees it (cron, ssh)?")
	}
}
