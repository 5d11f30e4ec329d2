// Package setup is mailhaul init: it asks a few questions, finds the server,
// tests the connection and writes the configuration. Each stage takes what the
// stages before it found, and returns what it found.
package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/autoconf"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

// Options are those of the command line, and what it depends on.
type Options struct {
	Address, Account, Server, TLS, User     string
	CAFile                                  string // absolute
	To                                      []string
	Password, PasswordCommand, PasswordFile string
	ToPassword, ToPasswordCommand           string // of the mailbox that is the target
	ClientID, ClientSecretFile, ISPDB       string
	Keyring, Offline, NoConnect, AskNothing bool
	Way                                     oauth.LoginOptions
	// Path is the configuration, Old what is in it (nil: there is none yet), and
	// Config how it is read. Named is the option that names it, for commands that
	// are proposed; empty: none is needed.
	Path   string
	Old    *config.Config
	Config config.Options
	Named  string
	// Relay is where a mail server of this machine would listen.
	Relay string
}

// Runner is what the command gives for the test of an account.
type Runner interface {
	Builder() *account.Builder
	// Preview shows what the first fetch of an account would do.
	Preview(ctx context.Context, a *config.Account, say func(format string, args ...any)) error
	// UI is for a login with OAuth2; paste: the person pastes an address.
	UI(in io.Reader, paste bool) oauth.UI
}

// Run asks, tests and writes. It reports whether a configuration was written.
func Run(ctx context.Context, o *Options, out *term.Output, r Runner) (written bool, err error) {
	p := &person{out: out, o: o, Dialogue: term.NewDialogue(out.Streams, o.AskNothing || out.JSON)}
	d := &draft{trusted: trusted{caFile: o.CAFile}}
	t := &trial{person: p, draft: d, runner: r}
	defer func() { t.end(ctx, written) }()
	address, err := p.fill(ctx, d)
	if err != nil {
		return false, err
	}
	c := &corrector{person: p, draft: d, address: address}
	for failed := t.try(ctx); ; {
		if failed == nil {
			if written, failed = (&writer{p, d}).write(ctx); failed == nil {
				return written, p.farewell(d)
			}
		}
		switch {
		case exit.Stop(failed, "") != nil:
			return false, failed
		case p.Mute && errors.As(failed, new(shown)):
			return false, exit.Printed(fetch.ExitOf(failed))
		case p.Mute:
			return false, failed
		}
		if err := c.correct(ctx, failed); err == nil {
			failed = t.try(ctx)
		} else if failed = nil; !errors.Is(err, errAnyway) {
			return false, err
		}
	}
}

// person is who answers the questions; a script answers by options.
type person struct {
	*term.Dialogue
	out *term.Output
	o   *Options
}

// fill asks for all that a draft needs, and returns the mail address.
func (p *person) fill(ctx context.Context, d *draft) (address string, err error) {
	if address, err = p.address(ctx); err != nil {
		return "", err
	}
	f := &finder{person: p, address: address}
	if err := f.ask(ctx); err != nil {
		return "", err
	}
	d.server = &f.server
	if d.account, err = p.accountName(ctx, address); err != nil {
		return "", err
	}
	if d.to, err = p.targets(ctx, d.account); err != nil {
		return "", err
	}
	l := &loginStage{person: p, server: d.server, account: d.account}
	err = l.ask(ctx)
	d.login = &l.login
	return address, err
}

// say tells the person something; a script wants results only.
func (p *person) say(format string, args ...any) {
	if !p.out.JSON && !p.out.Quiet {
		fmt.Fprintf(p.out.Out, format+"\n", args...)
	}
}

func (p *person) address(ctx context.Context) (address string, err error) {
	address = p.o.Address
	for {
		if address == "" {
			if address, err = p.Line(ctx, "Mail address", "", "--address"); err != nil {
				return "", err
			}
		}
		if _, _, ok := autoconf.Split(address); ok {
			return p.meant(ctx, config.ASCIIAddress(address))
		}
		if p.Mute || p.o.Address != "" {
			return "", exit.Usagef("--address: %q is not a mail address", address)
		}
		p.say("%q is not a mail address.", address)
		address = ""
	}
}

// accountName finds a name for the account that is not taken.
func (p *person) accountName(ctx context.Context, address string) (name string, err error) {
	proposal := cmp.Or(p.o.Account, p.freeName(nameFrom(address)))
	for {
		if name, err = p.Line(ctx, "Name of the account", proposal, "--account"); err != nil {
			return "", err
		}
		problem := ""
		switch {
		case !fitName.MatchString(name):
			problem = "an account's name is made of letters, digits and . _ - + @, and starts with a letter or digit"
		case p.taken(name):
			problem = fmt.Sprintf("%s has an account %q already", p.o.Path, name)
		default:
			return name, nil
		}
		if p.Mute {
			return "", exit.Usagef("--account: %s", problem)
		}
		p.say("%s.", problem)
		proposal = p.freeName(nameFrom(address))
	}
}

var fitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@-]*$`)

// nameFrom proposes a name: that of the domain, as people say it.
func nameFrom(address string) string {
	_, domain, _ := autoconf.Split(address)
	name, _, _ := strings.Cut(domain, ".")
	return name
}

func (p *person) taken(name string) bool {
	return p.o.Old != nil && slices.ContainsFunc(p.o.Old.Accounts, func(a *config.Account) bool { return a.Name == name })
}

func (p *person) freeName(name string) string {
	for n, free := 2, name; ; n++ {
		if !p.taken(free) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// farewell says what comes next.
func (p *person) farewell(d *draft) error {
	if p.out.JSON {
		out := jsonline.Init{Account: d.account, Config: p.o.Path, Server: d.server.name(), TLS: d.tls, User: d.user, Source: d.via}
		for _, t := range d.to {
			out.Deliver = append(out.Deliver, t.ID())
		}
		return jsonline.Write(p.out.Out, out)
	}
	p.say("\nNext:")
	if d.oauth != nil && p.o.NoConnect {
		p.say("  mailhaul%s login %s", p.o.Named, d.account)
	}
	for _, t := range d.to {
		if h, ok := t.(*hosted); ok && p.o.NoConnect && h.wantsLogin() {
			p.say("  mailhaul%s login %s/%s", p.o.Named, d.account, h.Kind())
		}
	}
	p.say("  mailhaul%s fetch %s\n", p.o.Named, d.account)
	p.say("To fetch only new mail, and leave the old mail on the server:")
	p.say("  mailhaul%s state mark-seen %s --all", p.o.Named, d.account)
	return nil
}
