package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
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
	for _, o := range e.logins() {
		if o.Login == names[0] {
			return o, nil
		}
	}
	i := slices.IndexFunc(e.conf.Accounts, func(a *config.Account) bool { return a.Name == names[0] })
	if i < 0 {
		return nil, e.unknownAccount(names[0], loginNames(e.conf.Logins)...)
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

// users are the accounts that use a login, by its name.
func (e *call) users(login string) (names []string) {
	for _, a := range e.conf.Accounts {
		if slices.Contains(loginNames(target.Logins(a)), login) {
			names = append(names, a.Name)
		}
	}
	return names
}

// logins are all of the configuration, each once.
func (e *call) logins() (list []*config.OAuth) {
	list = slices.Clone(e.conf.Logins)
	for _, a := range e.conf.Accounts {
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
	if users := e.users(t.Login); len(users) > 0 {
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

// loginUI tells the person what to do next. It implements oauth.UI.
type loginUI struct {
	in    io.Reader
	out   io.Writer
	json  bool
	paste bool // the address is to be pasted, nobody waits for a browser
}

// ShowURL implements oauth.UI.
func (u *loginUI) ShowURL(url string, opened bool) {
	switch {
	case u.json:
		_ = jsonline.Write(u.out, jsonline.Open{URL: url, Opened: opened})
	case opened:
		fmt.Fprintf(u.out, "A browser was opened. If it was not, open this address:\n\n%s\n\nWaiting for the browser ...\n", url)
	default:
		fmt.Fprintf(u.out, "Open this address in a browser and log in:\n\n%s\n\n", url)
		if !u.paste {
			fmt.Fprint(u.out, "Waiting for a browser on this machine; for one elsewhere use --paste ...\n")
		}
	}
}

// ShowDeviceCode implements oauth.UI.
func (u *loginUI) ShowDeviceCode(d oauth.DeviceCode) {
	if u.json {
		_ = jsonline.Write(u.out, jsonline.Device{URL: d.URL, Code: d.Code, Complete: d.Complete, Expires: d.Expires})
		return
	}
	fmt.Fprintf(u.out, "On any device open %s and enter the code\n\n    %s\n\n", d.URL, d.Code)
	if d.Complete != "" {
		fmt.Fprintf(u.out, "or open %s\n", d.Complete)
	}
	fmt.Fprintf(u.out, "Waiting until %s ...\n", d.Expires.Local().Format(time.TimeOnly))
}

// ReadPasted implements oauth.UI.
func (u *loginUI) ReadPasted(ctx context.Context) (string, error) {
	if !u.json {
		fmt.Fprint(u.out, "After the login the browser ends at an address that cannot be shown. Paste that address (or the code in it) here:\n> ")
	}
	whole := term.LongLines(u.in)
	defer whole()
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // a read from a terminal cannot be interrupted: it ends with the process
		line, err := term.ReadLine(u.in)
		got <- answer{line, err}
	}()
	var err error
	select {
	case a := <-got:
		if a.line = strings.TrimSpace(a.line); a.line != "" || a.err == nil {
			return a.line, nil
		}
		if err = a.err; term.IsTerminal(u.in) {
			err = exit.Cancelled()
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if !u.json {
		fmt.Fprintln(u.out)
	}
	return "", err
}

func tokenJSONOf(account, login string, st *oauth.Status) *jsonline.Token {
	set := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return &jsonline.Token{Account: account, Login: login, Provider: st.Provider, Flow: st.Flow.String(), LoggedIn: set(st.LoggedIn),
		Refreshed: set(st.Refreshed), ValidUntil: set(st.ValidUntil), LoginUntil: set(st.LoginUntil), Scopes: st.Scopes,
		NeedsLogin: st.NeedsLogin, Reason: st.Reason, Warning: st.Warning}
}

// tokenStates are those of the logins that an account uses: its own, or nil, and
// those of its targets.
func tokenStates(e *call, a *config.Account) (own *jsonline.Token, others []*jsonline.Token) {
	for _, o := range target.Logins(a) {
		if o == a.OAuth {
			own = tokenState(e, a, o)
		} else {
			others = append(others, tokenState(e, a, o))
		}
	}
	return own, others
}

// tokenState is what status and check show of a login's tokens. Tokens that cannot be
// read are a warning: a login may not cure that.
func tokenState(e *call, a *config.Account, o *config.OAuth) *jsonline.Token {
	t, err := e.builder.Tokens(o)
	if err != nil {
		return &jsonline.Token{Login: o.Login, Provider: o.Provider, Flow: o.Flow.String(), Warning: err.Error()}
	}
	st, err := t.Source.Status()
	if err != nil {
		st.Warning = err.Error()
		if text := advice.Text(err, e.situation(a)); text != "" {
			st.Warning += ": " + text
		}
	}
	return tokenJSONOf("", o.Login, &st)
}

// writeTokenState prints it below the table, with the name of who uses the login if a
// person has to log in, else with that of the login.
func writeTokenState(w io.Writer, user string, t *jsonline.Token) {
	account := term.Printable(t.Login)
	if t.NeedsLogin {
		fmt.Fprintf(w, "%s: needs `mailhaul login %s`: %s\n", term.Printable(user), account, term.Printable(t.Reason))
		return
	}
	if t.ValidUntil != nil {
		state := "token valid until"
		if !time.Now().Before(*t.ValidUntil) {
			state = "the next run renews the token, which ended"
		}
		fmt.Fprintf(w, "%s: %s %s", account, state, term.Stamp(*t.ValidUntil))
		if t.Refreshed != nil {
			fmt.Fprintf(w, ", refreshed %s", term.Stamp(*t.Refreshed))
		}
		if len(t.Scopes) > 0 {
			fmt.Fprintf(w, ", scopes %s", term.Printable(strings.Join(t.Scopes, " ")))
		}
		if t.LoginUntil != nil {
			fmt.Fprintf(w, ", login lasts until %s", term.Stamp(*t.LoginUntil))
		}
		fmt.Fprintln(w)
	}
	if t.Warning != "" {
		fmt.Fprintf(w, "%s: %s\n", account, term.Printable(t.Warning))
	}
}
