package account

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/route"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

// runAhead is how long a token must still be valid when a session begins: some
// servers end the session with it, and how long a run takes is not known
// before. Providers' tokens live for an hour or more.
const runAhead = 30 * time.Minute

// Tokens are the access tokens of a login. It implements target.TokenSource.
type Tokens struct {
	// Login is what people call it.
	Login  string
	Source *oauth.Source
}

// sources are the logins that are in use, until the configuration is read again. All
// who use a login share one.
type sources struct {
	mu sync.Mutex
	of map[*config.OAuth]*Tokens
}

func newSources() *sources { return &sources{of: make(map[*config.OAuth]*Tokens)} }

// Tokens returns the tokens of a login, the same for each caller until the
// configuration is read again.
func (b *Builder) Tokens(o *config.OAuth) (*Tokens, error) {
	b.sources.mu.Lock()
	defer b.sources.mu.Unlock()
	if t := b.sources.of[o]; t != nil {
		return t, nil
	}
	conf := o.Config
	if o.Via != nil {
		conf.Proxy = route.HTTPProxy(o.Via)
	}
	client, err := oauth.New(conf)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.StateDir, "tokens")
	store := oauth.NewStore(dir)
	if o.Keyring {
		store = oauth.NewKeyringStore(dir, o.KeyringLimit)
	}
	store.Group = o.Group
	t := &Tokens{Login: o.Login, Source: oauth.NewSource(client, store, o.Key).Called(o.Login)}
	t.Source.Ahead = runAhead
	b.sources.of[o] = t
	return t, nil
}

// Token returns a token that is valid for a while.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	token, err := t.Source.Token(ctx)
	return token, exit.Token(err)
}

// Refused returns another token than the one that a server refused.
func (t *Tokens) Refused(ctx context.Context, token string) (string, error) {
	token, err := t.Source.Refresh(ctx, token)
	return token, exit.Token(err)
}

// fixed is the token that a secret yields. It implements target.TokenSource.
type fixed struct{ secret config.Secret }

func (f fixed) Token(ctx context.Context) (string, error) { return f.secret.Resolve(ctx) }

// Refused asks again: a command may know of a newer one.
func (f fixed) Refused(ctx context.Context, token string) (string, error) {
	next, err := f.secret.Resolve(ctx)
	if err == nil && next == token {
		err = exit.NoLogin(fmt.Errorf("%s: there is no other token than the one that was refused", f.secret.Source()))
	}
	return next, err
}

// tokensOf are those that a server gets from a secret or from its login; nil: none.
func (b *Builder) tokensOf(r *config.Remote) (target.TokenSource, error) {
	switch {
	case !r.Token.IsZero():
		return fixed{r.Token}, nil
	case r.OAuth != nil:
		return b.Tokens(r.OAuth)
	}
	return nil, nil
}

// lastToken is the token that one user of a login, an account or a target, was given
// last.
type lastToken struct {
	from target.TokenSource
	mu   sync.Mutex
	last string
}

func (l *lastToken) get(ctx context.Context) (string, error) { return l.keep(l.from.Token(ctx)) }

// renew replaces the token that a server refused.
func (l *lastToken) renew(ctx context.Context) error {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if last == "" {
		return errors.New("no token was used")
	}
	_, err := l.keep(l.from.Refused(ctx, last))
	return err
}

func (l *lastToken) keep(token string, err error) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.last = token
	}
	return token, err
}
