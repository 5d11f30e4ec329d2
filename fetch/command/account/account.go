// Package account makes what runs of what the configuration says: server, logins,
// targets, hooks and tokens.
package account

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/proof"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/route"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop2"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/state"
)

// Builder makes what runs of what the configuration says. Its accounts share
// their tokens and the syncs of a file system.
type Builder struct {
	StateDir string
	Log      *slog.Logger
	dialogue bool // log the dialogue with servers
	askFor   func(ctx context.Context, prompt string) (string, error)
	syncer   *durable.Syncer
	sources  *sources
}

// NewBuilder makes a builder whose state directory is not known yet. Dialogue
// asks for a log of the dialogue with servers; askFor is for passwords that are
// nowhere.
func NewBuilder(log *slog.Logger, dialogue bool, askFor func(ctx context.Context, prompt string) (string, error)) *Builder {
	return &Builder{Log: log, dialogue: dialogue, askFor: askFor, syncer: new(durable.Syncer), sources: newSources()}
}

// Fresh is a builder for another configuration: runs still read the tokens of
// the old one.
func (b *Builder) Fresh() *Builder {
	c := *b
	c.sources = newSources()
	return &c
}

// Account turns what the user wrote into what runs.
func (b *Builder) Account(a *config.Account) (*fetch.Account, error) {
	server, renew, err := b.server(a)
	if err != nil {
		return nil, exit.Config(fmt.Errorf("%s: %w", a.Name, err))
	}
	out := &fetch.Account{
		Name:   a.Name,
		ID:     a.ID,
		Server: server,
		Policy: a.Policy,
		Limits: a.Limits,
		UTF8:   a.UTF8,
		Renew:  renew,
	}
	b.hooks(a, out)
	b.warnOf(a.Name, &a.Remote)
	for _, t := range target.Of(a) {
		if r, ok := t.(target.Remoter); ok {
			b.warnOf(a.Name, r.Remote())
		}
		d, err := b.Deliverer(a, t)
		if err != nil {
			return nil, exit.Config(fmt.Errorf("%s: %s: %w", a.Name, t.ID(), err))
		}
		out.Targets = append(out.Targets, commit.Target{ID: t.ID(), Deliverer: d})
	}
	if a.Policy.OnReject == plan.Quarantine {
		path := b.Quarantine(a.ID)
		out.Quarantine = &commit.Target{
			ID:        "maildir:" + path, // for people; the state has the target that refused
			Deliverer: maildir.New(maildir.Options{Path: path, Syncer: b.syncer}),
		}
	}
	return out, nil
}

// warnOf warns, on each run, of what the configuration allows that is not safe.
func (b *Builder) warnOf(account string, r *config.Remote) {
	log := b.Log.With(slog.String("account", account))
	if r.TLS.Legacy {
		log.Warn("legacy: true allows TLS 1.0 and broken ciphers: whoever is in between may read mail and password")
	} else if r.TLS.MinVersion < tls.VersionTLS12 {
		log.Warn("min_version allows a TLS version that is broken (RFC 8996)", "min_version", tls.VersionName(r.TLS.MinVersion))
	}
	switch r.Auth {
	case sasl.APOP, sasl.DIGESTMD5:
		log.Warn("this login is historic and rests on MD5: use another one if the server has it", "auth", r.Auth.String())
	}
}

// Quarantine is the Maildir of messages that a target refused for good.
func (b *Builder) Quarantine(id string) string {
	base := filepath.Base(state.Path(b.StateDir, id))
	return filepath.Join(b.StateDir, "quarantine", base[:len(base)-len(filepath.Ext(base))])
}

// Deliverer makes one configured target. It touches nothing yet.
func (b *Builder) Deliverer(a *config.Account, t target.Target) (deliver.Deliverer, error) {
	return t.Deliverer(b.Site(a, t))
}

// Site is what a target of an account is built for.
func (b *Builder) Site(a *config.Account, t target.Target) target.Site {
	log := b.Log.With(slog.String("account", a.Name), slog.String("target", t.ID()))
	return target.Site{Account: a, StateDir: b.StateDir, Syncer: b.syncer, Log: log,
		OAuth: func(r *config.Remote) (target.TokenSource, error) {
			own := *r
			own.Within(a.Helper)
			return b.tokensOf(&own)
		},
		Server: func(r *config.Remote) (*target.Server, error) { return b.targetServer(a, r, t.Kind()) }}
}

// Server adds what is made of files and secrets to the account's server.
func (b *Builder) Server(a *config.Account) (*pop3.Server, error) {
	s, _, err := b.server(a)
	return s, err
}

func (b *Builder) server(a *config.Account) (s *pop3.Server, renew func(context.Context) error, err error) {
	if s, err = connection(&a.Remote, b.trace(a.Name, "pop3")); err != nil {
		return nil, nil, err
	}
	s.Logins, renew, err = b.logins(a)
	return s, renew, err
}

// targetServer does so for the server of a target of a kind.
func (b *Builder) targetServer(a *config.Account, r *config.Remote, kind string) (*target.Server, error) {
	own := *r
	own.Within(a.Helper)
	s, err := connection(&own, b.trace(a.Name, kind))
	if err != nil {
		return nil, err
	}
	l := loginBuilder{r: &own, user: r.User, password: own.Password.Resolve}
	if r.Password.IsZero() {
		l.password = b.ask(Unknown{Remote: r, target: true})
	}
	renew, err := b.addTokens(&l)
	s.Logins = l.all()
	return &target.Server{Server: s, Renew: renew}, err
}

// connection is a server without its logins.
func connection(r *config.Remote, trace func(bool, string)) (*pop3.Server, error) {
	tlsConf, err := clientTLS(&r.TLS)
	if err != nil {
		return nil, err
	}
	s := r.Server
	s.TLS, s.Dial, s.Trace = tlsConf, route.Dialer(&r.Route), trace
	if s.Security == pop3.POP2 {
		s.Dial, s.Trace = pop2.Dialer(s.Dial, trace), nil
	}
	return &s, nil
}

// trace shows a dialogue that is redacted and escaped.
func (b *Builder) trace(account, protocol string) func(sent bool, line string) {
	if !b.dialogue {
		return nil
	}
	log := b.Log.With(slog.String("account", account))
	return func(sent bool, line string) {
		dir := "S"
		if sent {
			dir = "C"
		}
		log.LogAttrs(context.Background(), slog.LevelDebug, protocol, slog.String("from", dir), slog.String("line", line))
	}
}

// ReadBack opens what the accounts' targets hold for reading. A target that is
// no longer configured cannot be read back.
func (b *Builder) ReadBack(accounts []*config.Account) func(context.Context, *fetch.Account, string) (proof.Copies, error) {
	byName := make(map[string]*config.Account)
	for _, a := range accounts {
		byName[a.Name] = a
	}
	return func(ctx context.Context, fa *fetch.Account, id string) (proof.Copies, error) {
		a := byName[fa.Name]
		list := target.Of(a)
		if fa.Quarantine != nil && id == fa.Quarantine.ID {
			return target.Maildir(b.Quarantine(fa.ID)).Copies(ctx, target.Site{})
		}
		i := slices.IndexFunc(list, func(t target.Target) bool { return t.ID() == id })
		if i < 0 {
			return nil, nil
		}
		return list[i].Copies(ctx, b.Site(a, list[i]))
	}
}
