package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

func loginCommand() *cli.Command {
	return &cli.Command{
		Name:        "login",
		Usage:       "authorise an account with OAuth2",
		Description: "Authorise the account work in a browser on another machine:\n  mailhaul login --paste work",
		ArgsUsage:   "LOGIN|ACCOUNT",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "device", Usage: "show a code that you enter on another device"},
			&cli.BoolFlag{Name: "paste", Usage: "log in with a browser on another machine, and paste the final address here"},
			&cli.BoolFlag{Name: "no-browser", Usage: "print the address, and start no browser"},
		},
		Action: runLogin,
	}
}

func logoutCommand() *cli.Command {
	return &cli.Command{
		Name:        "logout",
		Usage:       "revoke an OAuth2 login at the provider, and remove its tokens here",
		Description: "Revoke the login of the account work:\n  mailhaul logout work",
		ArgsUsage:   "LOGIN|ACCOUNT",
		Action:      runLogout,
	}
}

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:        "token",
		Usage:       "print a fresh access token, for other programs (msmtp, mutt)",
		Description: "Print an access token for the account work:\n  mailhaul token work",
		ArgsUsage:   "LOGIN|ACCOUNT",
		Action:      runToken,
	}
}

// oauthLogin prepares a command that works on the tokens of one login: that of the
// name, or the one that an account of the name uses.
func oauthLogin(c *cli.Context) (*call, *account.Tokens, error) {
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	o, err := e.oneLogin(c.Args().Slice())
	if err != nil {
		return nil, nil, err
	}
	t, err := e.builder.Tokens(o)
	if err != nil {
		return nil, nil, exit.Config(fmt.Errorf("%s: %w", o.Login, err))
	}
	return e, t, nil
}

func (e *call) oneLogin(names []string) (*config.OAuth, error) {
	if len(names) != 1 {
		return nil, exit.Usage(advice.Give(errors.New("name one account or login"), advice.ListAccounts))
	}
	for _, o := range allLogins(e.conf) {
		if o.Login == names[0] {
			return o, nil
		}
	}
	i := slices.IndexFunc(e.conf.Accounts, func(a *config.Account) bool { return a.Name == names[0] })
	if i < 0 {
		return nil, unknownAccount(e.conf, names[0], loginNames(e.conf.Logins)...)
	}
	a := e.conf.Accounts[i]
	switch list := target.Logins(a); {
	case a.OAuth != nil:
		return a.OAuth, nil
	case len(list) == 1:
		return list[0], nil
	case len(list) > 1:
		return nil, exit.Usage(fmt.Errorf("%s uses several logins: name one of %s", a.Name, strings.Join(loginNames(list), ", ")))
	}
	return nil, exit.Config(advice.Give(fmt.Errorf("%s: no oauth: in the configuration", a.Name), advice.NoOAuth))
}

// loginUsers are the accounts that use a login, by its name.
func loginUsers(c *config.Config, login string) (names []string) {
	for _, a := range c.Accounts {
		if slices.Contains(loginNames(target.Logins(a)), login) {
			names = append(names, a.Name)
		}
	}
	return names
}

// allLogins are all of the configuration, each once.
func allLogins(c *config.Config) (list []*config.OAuth) {
	list = slices.Clone(c.Logins)
	for _, a := range c.Accounts {
		for _, o := range target.Logins(a) {
			if !slices.ContainsFunc(list, func(l *config.OAuth) bool { return l.Login == o.Login }) {
				list = append(list, o)
			}
		}
	}
	return list
}

func loginNames(list []*config.OAuth) []string {
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = o.Login
	}
	return names
}

func runLogin(c *cli.Context) error {
	o, err := loginOptions(c)
	if err != nil {
		return err
	}
	e, t, err := oauthLogin(c)
	if err != nil {
		return err
	}
	if err := t.Source.Login(c.Context, &loginUI{in: e.out.In, out: e.out.Out, json: e.out.JSON, paste: c.Bool("paste")}, o); exit.Stop(err, "") != nil {
		return exit.CancelledBut("no login was written")
	} else if err != nil {
		return closedProvider(t, exit.Token(err))
	}
	st, err := t.Source.Status()
	if err != nil {
		return exit.Token(err)
	}
	if e.out.JSON {
		return jsonline.Write(e.out.Out, tokenJSONOf(t.Login, t.Login, &st))
	}
	done := "logged in"
	if st.Flow == provider.ClientCredentials || st.Flow == provider.ServiceAccount {
		done = fmt.Sprintf("flow %s works, and needs no login", st.Flow)
	}
	if users := loginUsers(e.conf, t.Login); len(users) > 0 {
		done += "; next: mailhaul check --connect " + users[0]
	}
	_, err = fmt.Fprintf(e.out.Out, "%s: %s\n", t.Login, done)
	return err
}

// loginOptions are the ways that login and init have options for.
func loginOptions(c *cli.Context) (o oauth.LoginOptions, err error) {
	switch {
	case c.Bool("device") && c.Bool("paste"):
		return o, exit.Usagef("--device and --paste exclude each other")
	case c.Bool("device"):
		o.Way = oauth.WayDevice
	case c.Bool("paste"):
		o.Way = oauth.WayPaste
	case c.Bool("no-browser"):
		o.Open = noBrowser
	}
	return o, nil
}

func noBrowser(context.Context, string) error { return errors.New("not wanted") }

// closedProvider adds to a failed login that the provider may not want it.
func closedProvider(t *account.Tokens, err error) error {
	p := t.Source.Client().Preset()
	if !p.Closed {
		return err
	}
	return advice.Give(err, strings.TrimSpace(advice.Text(err, advice.Situation{Account: t.Login})+" "+advice.ClosedProvider(p.Title, provider.OfPreset(p.Name).Password)))
}

func runLogout(c *cli.Context) error {
	e, t, err := oauthLogin(c)
	if err != nil {
		return err
	}
	told, err := t.Source.Revoke(c.Context)
	none := errors.Is(err, oauth.ErrNoTokens)
	if e.out.JSON && (err == nil || none) {
		return jsonline.Write(e.out.Out, jsonline.Logout{Account: t.Login, WasLoggedIn: !none, ProviderTold: told})
	}
	switch {
	case none:
		fmt.Fprintf(e.out.Out, "%s: was not logged in\n", t.Login)
		return nil
	case err != nil:
		return exit.Token(err)
	case told:
		fmt.Fprintf(e.out.Out, "%s: logged out, and revoked at the provider\n", t.Login)
	default:
		fmt.Fprintf(e.out.Out, "%s: tokens removed here; this provider cannot revoke a login from here: withdraw consent in the account's security settings\n", t.Login)
	}
	return nil
}

func runToken(c *cli.Context) error {
	e, t, err := oauthLogin(c)
	if err != nil {
		return err
	}
	t.Source.Ahead = 0 // the default: it is used at once
	token, err := t.Token(c.Context)
	if err != nil {
		return err
	}
	if e.out.JSON {
		st, _ := t.Source.Status()
		return jsonline.Write(e.out.Out, jsonline.Access{Account: t.Login, AccessToken: token, ValidUntil: st.ValidUntil})
	}
	_, err = fmt.Fprintln(e.out.Out, token)
	return err
}
