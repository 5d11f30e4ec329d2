package account

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/hook"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// hookTimeout is how long a command of before or after may take if nothing else is
// set: time enough to bring up a VPN.
const hookTimeout = 2 * time.Minute

// hooks gives the account its before and after commands.
//
// Before runs when the run has the maildrop to itself and has not yet called
// the server. If it fails, nothing is fetched: exit 75. After runs at the end
// of every run, also of one that failed or was interrupted; what it comes to
// changes nothing. Both get MAILHAUL_ACCOUNT, and after also MAILHAUL_EXIT (the
// Account's exit code) and MAILHAUL_FETCHED (the number of new messages).
func (b *Builder) hooks(a *config.Account, out *fetch.Account) {
	limit := cmp.Or(a.Helper, hookTimeout)
	name := "MAILHAUL_ACCOUNT=" + a.Name
	if len(a.Before) > 0 {
		out.Before = func(ctx context.Context) error {
			if err := hook.Run(ctx, a.Before, limit, name); err != nil {
				return advice.Give(exit.TryLater(fmt.Errorf("before: %s: %w", term.Printable(a.Before[0]), err)), advice.Before)
			}
			return nil
		}
	}
	if len(a.After) > 0 {
		out.After = func(ctx context.Context, s *fetch.Summary) error {
			err := hook.Run(ctx, a.After, limit, name,
				"MAILHAUL_EXIT="+strconv.Itoa(int(fetch.ExitOf(s.Err))), "MAILHAUL_FETCHED="+strconv.Itoa(s.Fetched))
			if err != nil {
				return fmt.Errorf("%s: %w", term.Printable(a.After[0]), err)
			}
			return nil
		}
	}
}
