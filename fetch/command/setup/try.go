package setup

import (
	"context"
	"errors"
	"io"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/doctor"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
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
}

// try logs in, walks the way to the mail and shows what the first fetch would
// do. Nothing is stored yet but tokens.
func (s *trial) try(ctx context.Context) error {
	for {
		a, err := s.parsed(s.o)
		if err != nil {
			return err
		}
		if s.oauth != nil {
			if err := s.authorise(ctx, a); err != nil {
				return err
			}
		}
		s.say("")
		out := s.out
		if out.JSON || out.Quiet { // the steps are not part of init's one result
			out = out.ToErr()
		}
		failed := doctor.Check(ctx, doctor.Options{Out: out, Builder: s.runner.Builder(), Bare: s.o.Old == nil}, a)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if failed == nil {
			return s.runner.Preview(ctx, a, s.say)
		}
		again, err := s.afterFailure(ctx, failed)
		if !again || err != nil {
			return err
		}
	}
}

// afterFailure asks what to do about a connection that does not work.
func (s *trial) afterFailure(ctx context.Context, failed error) (again bool, err error) {
	stop := exit.Printed(fetch.ExitOf(failed))
	if s.Mute {
		return false, stop
	}
	list := []string{"try again", "write the configuration all the same", "stop"}
	if s.secret.value != "" {
		list[0] = "try another password"
	}
	n, err := s.Choose(ctx, "What now?", list)
	switch {
	case err != nil:
		return false, err
	case n == 2:
		return false, stop
	case n == 1:
		return false, nil
	}
	if s.secret.value != "" {
		s.secret.value, err = s.Dialogue.Secret(ctx, "Password for "+term.Printable(s.user))
	}
	return true, err
}

// authorise logs in with OAuth2, unless a login from before holds.
func (s *trial) authorise(ctx context.Context, a *config.Account) error {
	t, err := s.runner.Builder().Tokens(a)
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
