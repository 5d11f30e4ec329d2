// Package hook runs the commands that an account names: before and after a run,
// and for alerts.
package hook

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// Env is what the commands of before, after and alert get: what a command of
// deliver gets, and the ways to the user's session, which a VPN or an agent may
// need.
func Env() []string {
	return pipe.BaseEnv(os.Getenv, "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
}

// Run runs a command without a shell and without input, for as long as limit at
// most. What it prints is shown only if it fails.
func Run(ctx context.Context, argv []string, limit time.Duration, env ...string) error {
	said := &Tail{}
	err := process.Run(ctx, limit, argv, func(cmd *process.Cmd) {
		cmd.Env = append(Env(), env...)
		cmd.Stdout, cmd.Stderr = said, said
	})
	if text := said.Text(); err != nil && text != "" && ctx.Err() == nil {
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
