package account

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/route"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

// runAhead is how long a token must still be valid when a session begins: some
// servers end the session with it, and how long a run takes is not known
// before. Providers' tokens live for an hour or more.
const runAhead = 30 * time.Minute

// Tokens are an account's access tokens, as this process uses them.
type Tokens struct {
	Account string
	conf    *config.OAuth // what they were made from
	Source  *oauth.Source
	mu      sync.Mutex
	last    string // what was handed out
}

// Tokens returns the account's tokens, the same for each caller until the
// configuration is read again.
func (b *Builder) Tokens(a *config.Account) (*Tokens, error) {
	if t := b.sources[a.Name]; t != nil && t.conf == a.OAuth {
		return t, nil
	}
	conf := a.OAuth.Config
	if p := a.Route.Proxy; p != nil {
		conf.Proxy = route.HTTPProxy(p)
	}
	client, err := oauth.New(conf)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.StateDir, "tokens")
	store := oauth.NewStore(dir)
	if a.OAuth.Keyring {
		store = oauth.NewKeyringStore(dir, a.OAuth.KeyringLimit)
	}
	t := &Tokens{Account: a.Name, conf: a.OAuth, Source: oauth.NewSource(client, store, a.Name)}
	t.Source.Ahead = runAhead
	if b.sources == nil {
		b.sources = make(map[string]*Tokens)
	}
	b.sources[a.Name] = t
	return t, nil
}

// Get returns a token that is valid for a while.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	token, err := t.Source.Token(ctx)
	return t.keep(token, err)
}

// renew replaces the token that a server refused.
func (t *Tokens) renew(ctx context.Context) error {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last == "" {
		return errors.New("no token was used")
	}
	_, err := t.keep(t.Source.Refresh(ctx, last))
	return err
}

func (t *Tokens) keep(token string, err error) (string, error) {
	if err != nil {
		return "", exit.Token(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = token
	return token, nil
}
