package account

import (
	"context"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// ReadBack opens what the accounts' targets hold for reading. A target that is
// no longer configured cannot be read back.
func (b *Builder) ReadBack(accounts []*config.Account) func(context.Context, *fetch.Account, string) (fetch.Copies, error) {
	type key struct{ account, id string }
	targets := make(map[key]target.Target)
	for _, a := range accounts {
		for _, t := range target.Of(a) {
			targets[key{a.Name, t.ID()}] = t
		}
	}
	return func(ctx context.Context, a *fetch.Account, id string) (fetch.Copies, error) {
		t := targets[key{a.Name, id}]
		if a.SetAside != nil && id == a.SetAside.ID {
			t = target.Maildir(b.Quarantine(a.ID))
		}
		if t == nil {
			return nil, nil
		}
		return t.Copies(ctx)
	}
}
