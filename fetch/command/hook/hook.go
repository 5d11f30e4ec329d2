// Package hook runs the commands that an account names: before and after a run,
// and for alerts.
package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// Env is what the commands of before, after and alert get: what a command of
// deliver gets, and the ways to the user's session, which a VPN or an agent may
// need.
func Env() []string {
	return pipe.BaseEnv(os.Getenv, "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
}

// Run runs a command without a shell and without input. What it prints is
// shown only if it fails.
func Run(ctx context.Context, argv []string, limit time.Duration, env ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(Env(), env...)
	cmd.WaitDelay = 2 * time.Second // a grandchild that holds the pipe must not hold us
	said := &Tail{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well and left a child behind
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("took longer than %s", limit)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if text := said.Text(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// Tail keeps the last line or so of a command's standard error.
type Tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-1024):]
	return len(p), nil
}

func (t *Tail) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return term.Printable(strings.TrimSpace(string(t.b)))
}
