package command

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/doctor"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// try logs in, walks the way to the mail and shows what the first fetch would
// do. Nothing is stored yet but tokens.
func (s *setup) try(ctx context.Context) error {
	for {
		a, err := s.account()
		if err != nil {
			return err
		}
		if s.oauth != nil {
			if err := s.login(ctx, a); err != nil {
				return err
			}
		}
		s.say("")
		out := s.out
		if out.JSON || out.Quiet { // the steps are not part of init's one result
			out = out.ToErr()
		}
		failed := doctor.Check(ctx, doctor.Options{Out: out, Builder: s.builder, Bare: s.conf == nil}, a)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if failed == nil {
			return s.preview(ctx, a)
		}
		again, err := s.afterFailure(ctx, failed)
		if !again || err != nil {
			return err
		}
	}
}

// afterFailure asks what to do about a connection that does not work.
func (s *setup) afterFailure(ctx context.Context, failed error) (again bool, err error) {
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

// preview shows what the first fetch would do.
func (s *setup) preview(ctx context.Context, a *config.Account) error {
	const rows = 5
	list, err := s.build([]*config.Account{a}, func(*fetch.Account) {})
	if err != nil {
		return err
	}
	plan, _, err := s.fetcher().Plan(ctx, list[0])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		var temp interface{ Temporary() bool }
		if errors.As(err, &temp) && temp.Temporary() {
			s.say("The plan of the first fetch cannot be shown now: %s", term.Printable(err.Error()))
			return nil
		}
		return err
	case s.out.JSON || s.out.Quiet:
		return nil
	}
	s.say("\nThe first fetch would do this; nothing is deleted from the server (keep: all):")
	return writePlan(s.out.Out, a.Name, &plan, rows, s.out.Width())
}
