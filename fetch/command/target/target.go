// Package target is the one table of targets: what mailhaul knows of each kind
// of place that mail goes to. A row says how a target is written in YAML and
// after --to, built, confined, read back after delivery, recovered after a
// crash and written by init. To add a kind, add its package under deliver, a
// file with its row here, and the row to Rows.
package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// Target is one configured target. Its methods touch nothing but what they say.
type Target interface {
	config.Target
	// Deliverer makes what delivers to it. That touches nothing yet.
	Deliverer(Site) (deliver.Deliverer, error)
	// Needs is what it reads, writes and runs.
	Needs() Needs
	// Copies opens what the target holds for reading. Nil without an error: it
	// cannot be read back (a relay, a command).
	Copies(context.Context, Site) (proof.Copies, error)
	// Value is the value of its key in the configuration: a path or a Map.
	Value() any
}

// Remoter is implemented by a Target on a server that one logs in to.
type Remoter interface{ Remote() *config.Remote }

// Walker is implemented by a Target whose way can be walked step by step, and
// nothing changes by that. Secured gets what TLS has agreed on.
type Walker interface {
	Walk(ctx context.Context, s Site, secured func(*tls.ConnectionState), step func(Step)) error
}

// Step is one step of a Walker.
type Step = deliver.Step

// Site is what a target is built for.
type Site struct {
	Account  *config.Account
	StateDir string
	// Syncer is shared by all targets of the process.
	Syncer *durable.Syncer
	// Log has the account and the target.
	Log *slog.Logger
	// Server makes what connects to the server of a target and logs in there.
	Server func(*config.Remote) (*Server, error)
	// OAuth returns the access tokens of a target, of `oauth` or of `token`; nil if it
	// has neither.
	OAuth func(*config.Remote) (TokenSource, error)
}

// Server is the server of a target.
type Server struct {
	*pop3.Server
	// Renew gets another token after a login was refused; nil if there is none.
	Renew func(context.Context) error
}

// targetLogins are the ways to log in as a target uses them. USER is POP3's own. Cyrus
// announces channel binding and cannot verify it: it has to be named.
func (s *Server) targetLogins(r *config.Remote) (list []login.Login) {
	for _, l := range s.Logins {
		if l.New == nil || !l.Named && strings.HasSuffix(l.Name, "-PLUS") {
			continue
		}
		own := login.Login{Mechanism: l.Name, User: l.User, Password: l.Password, Clear: l.Clear, Named: l.Named,
			New: func(ctx context.Context, offered []string, state *tls.ConnectionState) (login.Mechanism, error) {
				return l.New(ctx, sasl.Channel{Host: s.Host, Port: s.Port, TLS: state, Offered: offered})
			}}
		if l.Name == sasl.XOAUTH2.Name() || l.Name == sasl.OAUTHBEARER.Name() {
			if own.Renew = s.Renew; r.OAuth != nil {
				own.Name = r.OAuth.Login
			}
		}
		list = append(list, own)
	}
	return list
}

// TokenSource yields the access tokens of a login, which others may use at the same
// time. Its errors have their exit status.
type TokenSource interface {
	// Token returns a token that is valid for a while.
	Token(context.Context) (string, error)
	// Refused returns another token than the one that a server refused.
	Refused(ctx context.Context, token string) (string, error)
}

// Needs is what a target needs of the file system and of other programs.
type Needs struct {
	// Write are directories that it writes to; they are made if missing. Read are
	// files, empty ones included.
	Write, Read []string
	// Secrets are those of its login, zero ones included.
	Secrets []config.Secret
	// Commands are those that it runs.
	Commands []process.Allowed
}

// Row is one kind of target.
type Row struct {
	// Name is its key under deliver, and Doc the line about it in the manual.
	Name, Doc string
	// Form is what to write after --to, and Schemes the words before its first
	// colon; nil: Name alone. Without a Form it is for configuration files only.
	Form    string
	Schemes []string
	// New returns a target with the defaults.
	New func() Target
	// Short is the key that a value stands for that is not a mapping; empty: a
	// mapping is needed.
	Short string
	// NoDedupe: an account that has no other target must not ask for dedupe.
	NoDedupe bool
	// Exact: a message that is sent again must have the same bytes, so nothing is added
	// that has the time in it.
	Exact bool
	// Parse fills a new target from what follows --to. What it returns is complete.
	Parse func(url string) (Target, error)
	// Propose returns targets for an account that fit a machine, as --to takes
	// them and the likeliest first; nil: none is ever proposed.
	Propose func(ctx context.Context, m Machine, account string) []string
	// Recover settles what a crash left, by the kind of the intent.
	Recover map[string]deliver.RecoverFunc
}

// Table is the table of targets.
type Table []Row

// Rows are the targets that mailhaul has, in the order of the manual.
func Rows() Table {
	return Table{maildirRow(), mboxRow(), imapRow(), gmailRow(), jmapRow(), smtpRow(), lmtpRow(), pipeRow(), httpRow(), filesRow()}
}

// Kinds is the table as package config reads it.
func (t Table) Kinds() []config.TargetKind {
	kinds := make([]config.TargetKind, len(t))
	for i, r := range t {
		kinds[i] = config.TargetKind{Name: r.Name, Doc: r.Doc, Short: r.Short, NoDedupe: r.NoDedupe, Exact: r.Exact, New: func() config.Target { return r.New() }}
	}
	return kinds
}

// Forms are what --to takes, for people.
func (t Table) Forms() string {
	var forms []string
	for _, r := range t {
		if r.Form != "" {
			forms = append(forms, r.Form)
		}
	}
	return config.Or(forms)
}

// Recoverers settle what a crash left, by the kind of the intent.
func (t Table) Recoverers() map[string]deliver.RecoverFunc {
	all := make(map[string]deliver.RecoverFunc)
	for _, r := range t {
		for kind, f := range r.Recover {
			all[kind] = f
		}
	}
	return all
}

// Parse reads what follows --to, with the options that go with it. Relative paths
// start at the working directory.
func (t Table) Parse(to string, o config.URLOptions) (config.Target, error) {
	scheme, rest, ok := strings.Cut(to, ":")
	if !ok || rest == "" {
		return nil, errors.New("wants KIND:WHERE, such as maildir:PATH")
	}
	var names []string
	for _, r := range t {
		schemes := r.schemes()
		for _, s := range schemes {
			if s == scheme {
				return taking(r.Parse, to, r.Name, o)
			}
		}
		names = append(names, schemes...)
	}
	return nil, fmt.Errorf("unknown kind of target, wants one of %s%s", strings.Join(names, ", "), config.DidYouMean(scheme, names))
}

// taker is implemented by a Target that has a use of its own for the options that go
// with --to.
type taker interface {
	take(config.URLOptions) error
}

// taking parses, and gives the options to a server with a login.
func taking(parse func(string) (Target, error), to, protocol string, o config.URLOptions) (config.Target, error) {
	made, err := parse(to)
	if err != nil {
		return nil, err
	}
	if t, ok := made.(taker); ok {
		return made, t.take(o)
	}
	if r, ok := made.(Remoter); ok && r.Remote().User != "" {
		return made, r.Remote().Take(o, protocol)
	}
	return made, nil
}

func (r *Row) schemes() []string {
	if r.Schemes != nil || r.Form == "" {
		return r.Schemes
	}
	return []string{r.Name}
}

// Of are an account's targets.
func Of(a *config.Account) []Target {
	list := make([]Target, len(a.Deliver))
	for i, t := range a.Deliver {
		list[i] = t.(Target) // a row made it
	}
	return list
}

// Logins are those with OAuth2 that an account uses, its own first, each once.
func Logins(a *config.Account) (list []*config.OAuth) {
	add := func(o *config.OAuth) {
		if o != nil && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	add(a.OAuth)
	for _, t := range a.Deliver {
		if r, ok := t.(Remoter); ok {
			add(r.Remote().OAuth)
		}
	}
	return list
}

// Entry is a target as an element of deliver.
func Entry(t config.Target) config.Map { return config.Pair(t.Kind(), t.(Target).Value()) }
