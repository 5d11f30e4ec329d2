package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/doctor"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// trial tests a draft before it is written.
type trial struct {
	*person
	*draft
	runner Runner
	traces traces
	tokens map[string]*account.Tokens // of the logins of this trial, by their names
}

// try logs in, walks the way to the mail and shows what the first fetch would
// do. It leaves nothing but tokens. A failure that it has shown is a shown.
func (s *trial) try(ctx context.Context) error {
	if s.o.NoConnect {
		return nil
	}
	s.traces.before(s.dirs()...)
	defer s.traces.sweep()
	a, err := s.parsed(s.o)
	if err == nil {
		err = s.authorise(ctx, a)
	}
	if err == nil {
		err = s.check(ctx, a)
	}
	if err == nil {
		err = s.runner.Preview(ctx, a, s.say)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// dirs are those that a test may make.
func (s *trial) dirs() []string {
	dirs := []string{s.runner.Builder().StateDir, filepath.Dir(s.o.Path)}
	for _, t := range s.to {
		dirs = append(dirs, t.(target.Target).Needs().Write...)
	}
	return dirs
}

// check is check --connect, on one line if all is well.
func (s *trial) check(ctx context.Context, a *config.Account) error {
	out := s.out
	if out.JSON || out.Quiet { // the steps are not part of init's one result
		out = out.ToErr()
	}
	ownLine := *out
	ownLine.Out = &lineBreak{w: out.Out, begun: out.Quiet}
	if !out.Quiet {
		fmt.Fprintf(out.Out, "\nTesting the connection to %s ... ", term.Printable(s.name()))
	}
	o := doctor.Options{Out: &ownLine, Builder: s.runner.Builder(), Bare: s.Mute && s.o.Old == nil, Brief: out.Verbose == 0}
	if failed := doctor.Check(ctx, o, a); failed != nil {
		_, _ = ownLine.Out.Write(nil) // a signal has shown nothing
		return shown{failed}
	}
	if !out.Quiet {
		fmt.Fprintln(out.Out, "everything works")
	}
	return nil
}

// lineBreak begins a line before the first that is written.
type lineBreak struct {
	w     io.Writer
	begun bool
}

// Write implements io.Writer.
func (l *lineBreak) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		_, _ = io.WriteString(l.w, "\n")
	}
	return l.w.Write(p)
}

// end removes what no configuration uses.
func (s *trial) end(ctx context.Context, written bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // for the provider's answer
	defer cancel()
	for name, t := range s.tokens {
		if !written || name != s.account && !strings.HasPrefix(name, s.account+"/") {
			_, _ = t.Source.Revoke(ctx)
		}
	}
	s.traces.sweep()
}

// authorise logs in with OAuth2 wherever the account does, unless a login from before
// holds.
func (s *trial) authorise(ctx context.Context, a *config.Account) error {
	for _, o := range target.Logins(a) {
		if err := s.logIn(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (s *trial) logIn(ctx context.Context, conf *config.OAuth) error {
	t, err := s.runner.Builder().Tokens(conf)
	if err != nil {
		return exit.Config(err)
	}
	if st, err := t.Source.Status(); err == nil && !st.NeedsLogin {
		return nil
	}
	o, err := s.loginWay(ctx, t)
	if err != nil {
		return err
	}
	var in io.Reader = s.out.In
	if s.Lines != nil {
		in = s.Lines // it may hold what was typed ahead
	}
	if err := t.Source.Login(ctx, s.runner.UI(in, o.Way == oauth.WayPaste), o); err != nil {
		return exit.Token(err)
	}
	if s.tokens == nil {
		s.tokens = make(map[string]*account.Tokens)
	}
	s.tokens[t.Login] = t
	return nil
}

// loginWay is as the options say. Where no browser can be started, a person is
// asked: waiting for one helps only who has one on this machine all the same.
func (s *trial) loginWay(ctx context.Context, t *account.Tokens) (oauth.LoginOptions, error) {
	o := s.o.Way
	switch {
	case o.Way != oauth.WayConfigured:
		return o, nil
	case s.Mute:
		o.Open = func(context.Context, string) error { return errors.New("not wanted") }
		return o, nil
	case oauth.HasBrowser():
		return o, nil
	}
	ways := []oauth.Way{oauth.WayPaste, oauth.WayBrowser}
	list := []string{"in a browser elsewhere; paste the address that it ends at", "in a browser of this machine that you start yourself"}
	if p := t.Source.Client().Preset(); p.DeviceURL != "" && p.Allows(provider.Device) {
		ways, list = append(ways, oauth.WayDevice), append(list, "with a code to enter on another device")
	}
	n, err := s.Choose(ctx, "There is no browser to start here. How do you log in?", list)
	o.Way = ways[n]
	return o, err
}
