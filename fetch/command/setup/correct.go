package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// shown is an error that a person has seen.
type shown struct{ error }

// Unwrap returns the error.
func (s shown) Unwrap() error { return s.error }

// errNo is the end of a draft that a person does not want as it is.
var errNo = shown{errors.New("not as it is")}

// errAnyway takes the draft although its test failed.
var errAnyway = errors.New("all the same")

// corrector lets a person correct each answer.
type corrector struct {
	*person
	*draft
	address string
}

// correction is an answer of the menu and what it leads to.
type correction struct {
	text  string
	fault advice.Fault // that it is likely the cure of
	do    func(context.Context) error
}

// correct asks what to do about a draft that cannot stay as it is. Nil: it is to
// be tested again.
func (c *corrector) correct(ctx context.Context, failed error) error {
	if !errors.As(failed, new(shown)) {
		term.Failure(c.out.Err, "", failed, advice.Of(failed, advice.Situation{Account: c.account, Host: c.host}), "")
	}
	list := c.corrections(failed)
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].text
	}
	for {
		n, err := c.Choose(ctx, "What now?", texts)
		if err != nil {
			return err
		}
		err = list[n].do(ctx)
		if err == nil || errors.Is(err, errAnyway) || exit.IsPrinted(err) || exit.Stop(err, "") != nil {
			return err
		}
		c.say("%s", term.Printable(err.Error()))
	}
}

// answers are those that can be corrected.
func (c *corrector) answers(failed error) []correction {
	list := []correction{
		{fmt.Sprintf("change the server: %s, port %d", c.host, c.port), advice.FaultServer, c.changeServer},
		{"change the user name: " + c.user, advice.FaultUnknown, c.changeUser},
		{"change TLS: " + c.way() + c.trust(c.tls), advice.FaultTLS, func(ctx context.Context) error {
			return c.changeTLS(ctx, c.server, &c.trusted, failed)
		}},
		{"change the login: " + c.wayIn(), advice.FaultLogin, c.changeLogin},
	}
	for _, t := range c.to {
		if m, ok := t.(*mailbox); ok {
			list = append(list, c.tlsOf(m, failed))
		}
	}
	return append(list, []correction{
		{"change the target: " + targetNames(c.to), advice.FaultTarget, c.changeTarget},
		{"change the name of the account: " + c.account, advice.FaultUnknown, c.changeName},
	}...)
}

// corrections are the lines of the menu, the likeliest first.
func (c *corrector) corrections(failed error) []correction {
	end := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	list := c.answers(failed)
	if errors.Is(failed, errNo) {
		return append(list, correction{"stop, and write nothing", 0, end(exit.Cancelled())})
	}
	menu := []correction{{"try again", 0, end(nil)}}
	fault := advice.FaultOf(failed)
	n := slices.IndexFunc(list, func(d correction) bool { return fault != advice.FaultUnknown && d.fault == fault })
	switch {
	case fault == advice.FaultLogin && c.secret.value != "":
		menu = slices.Insert(menu, 0, correction{"try another password", fault, c.changePassword})
	case n >= 0:
		menu = slices.Insert(menu, 0, list[n])
		list = slices.Delete(list, n, n+1)
	}
	return append(append(menu, list...),
		correction{"write the configuration all the same", 0, end(errAnyway)},
		correction{"stop, and write nothing", 0, end(exit.Printed(fetch.ExitOf(failed)))})
}

func targetNames(list []config.Target) (names string) {
	for i, t := range list {
		if i > 0 {
			names += ", "
		}
		names += t.ID()
	}
	return names
}

// wayIn says how the draft logs in.
func (c *corrector) wayIn() string {
	switch {
	case c.oauth != nil:
		return "OAuth2"
	case c.secret.place == nil:
		return "a password that is asked for each time"
	}
	return fmt.Sprintf("password from %s %v", c.secret.place[0].Key, c.secret.place[0].Value)
}

func (c *corrector) changePassword(ctx context.Context) (err error) {
	c.secret.value, err = c.Dialogue.Secret(ctx, "Password for "+term.Printable(c.user))
	return err
}

func (c *corrector) changeServer(ctx context.Context) error {
	f := &finder{person: c.person, server: *c.server, address: c.address}
	err := f.askOther(ctx)
	if err == nil {
		c.server = &f.server
	}
	return err
}

func (c *corrector) changeUser(ctx context.Context) (err error) {
	c.user, err = c.Line(ctx, "User name", c.user, "--user")
	return err
}

func (c *corrector) changeLogin(ctx context.Context) error {
	c.o.Password, c.o.PasswordCommand, c.o.PasswordFile, c.o.Keyring, c.o.ClientID = "", "", "", false, ""
	l := &loginStage{person: c.person, server: c.server, account: c.account}
	err := l.ask(ctx)
	if err == nil {
		c.login = &l.login
	}
	return err
}

func (c *corrector) changeTarget(ctx context.Context) error {
	c.o.To = nil
	to, err := c.targets(ctx, c.account, c.to...)
	if err != nil {
		return err
	}
	if m, old := mailboxOf(to), mailboxOf(c.to); m != nil && old != nil {
		m.as(old)
	}
	c.to = to
	return nil
}

func (c *corrector) changeName(ctx context.Context) error {
	c.o.Account = c.account
	name, err := c.accountName(ctx, c.address)
	if err == nil {
		c.account = name
	}
	return err
}
