package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// hookTimeout is how long a command of before or after may take: time enough
// to bring up a VPN.
const hookTimeout = 2 * time.Minute

// hooks gives the account its before and after commands.
//
// Before runs when the run has the maildrop to itself and has not yet called
// the server. If it fails, nothing is fetched: exit 75. After runs at the end
// of every run, also of one that failed or was interrupted; what it comes to
// changes nothing. Both get MAILHAUL_ACCOUNT, and after also MAILHAUL_EXIT (the
// account's exit code) and MAILHAUL_FETCHED (the number of new messages).
func (e *env) hooks(a *config.Account, out *fetch.Account) {
	name := "MAILHAUL_ACCOUNT=" + a.Name
	if len(a.Before) > 0 {
		out.Before = func(ctx context.Context) error {
			if err := runHook(ctx, a.Before, hookTimeout, name); err != nil {
				return &fetch.Error{Exit: fetch.ExitTemp, Err: fmt.Errorf("before: %s: %w", term.Printable(a.Before[0]), err),
					Hint: "the account's `before` command has to end with 0 before anything is fetched: run it by hand as this user"}
			}
			return nil
		}
	}
	if len(a.After) > 0 {
		out.After = func(ctx context.Context, s *fetch.Summary) error {
			err := runHook(ctx, a.After, hookTimeout, name,
				"MAILHAUL_EXIT="+strconv.Itoa(int(fetch.ExitOf(s.Err))), "MAILHAUL_FETCHED="+strconv.Itoa(s.Fetched))
			if err != nil {
				return fmt.Errorf("%s: %w", term.Printable(a.After[0]), err)
			}
			return nil
		}
	}
}

// hookEnv is what the commands of before, after and alert get: what a command of
// deliver gets, and the ways to the user's session, which a VPN or an agent may
// need.
func hookEnv() []string {
	return pipe.BaseEnv(os.Getenv, "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
}

// runHook runs a command without a shell and without input. What it prints is
// shown only if it fails.
func runHook(ctx context.Context, argv []string, limit time.Duration, env ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(hookEnv(), env...)
	cmd.WaitDelay = 2 * time.Second // a grandchild that holds the pipe must not hold us
	said := &tailBuffer{}
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
	if text := said.text(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}
