package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
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
		ArgsUsage:   "ACCOUNT",
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
		ArgsUsage:   "ACCOUNT",
		Action:      runLogout,
	}
}

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:        "token",
		Usage:       "print a fresh access token, for other programs (msmtp, mutt)",
		Description: "Print an access token for the account work:\n  mailhaul token work",
		ArgsUsage:   "ACCOUNT",
		Action:      runToken,
	}
}

// oauthAccount prepares a command that works on one account's tokens.
func oauthAccount(c *cli.Context) (*call, *account.Tokens, error) {
	e, a, err := withAccount(c, c.Args().Slice())
	if err != nil {
		return nil, nil, err
	}
	if a.OAuth == nil {
		return nil, nil, exit.Config(advice.Give(fmt.Errorf("%s: no oauth: in the configuration", a.Name), advice.NoOAuth))
	}
	t, err := e.builder.Tokens(a)
	if err != nil {
		return nil, nil, exit.Config(fmt.Errorf("%s: %w", a.Name, err))
	}
	return e, t, nil
}

func runLogin(c *cli.Context) error {
	o, err := loginOptions(c)
	if err != nil {
		return err
	}
	e, t, err := oauthAccount(c)
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
		return jsonline.Write(e.out.Out, tokenJSONOf(t.Account, &st))
	}
	done := "logged in"
	if st.Flow == provider.ClientCredentials || st.Flow == provider.ServiceAccount {
		done = fmt.Sprintf("flow %s works, and needs no login", st.Flow)
	}
	fmt.Fprintf(e.out.Out, "%s: %s; next: mailhaul check --connect %s\n", t.Account, done, t.Account)
	return nil
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
	return advice.Give(err, strings.TrimSpace(advice.Text(err, advice.Situation{Account: t.Account})+" "+advice.ClosedProvider(p.Title, provider.OfPreset(p.Name).Password)))
}

func runLogout(c *cli.Context) error {
	e, t, err := oauthAccount(c)
	if err != nil {
		return err
	}
	told, err := t.Source.Revoke(c.Context)
	none := errors.Is(err, oauth.ErrNoTokens)
	if e.out.JSON && (err == nil || none) {
		return jsonline.Write(e.out.Out, jsonline.Logout{Account: t.Account, WasLoggedIn: !none, ProviderTold: told})
	}
	switch {
	case none:
		fmt.Fprintf(e.out.Out, "%s: was not logged in\n", t.Account)
		return nil
	case err != nil:
		return exit.Token(err)
	case told:
		fmt.Fprintf(e.out.Out, "%s: logged out, and revoked at the provider\n", t.Account)
	default:
		fmt.Fprintf(e.out.Out, "%s: tokens removed here; this provider cannot revoke a login from here: withdraw consent in the account's security settings\n", t.Account)
	}
	return nil
}

func runToken(c *cli.Context) error {
	e, t, err := oauthAccount(c)
	if err != nil {
		return err
	}
	t.Source.Ahead = 0 // the default: it is used at once
	token, err := t.Get(c.Context)
	if err != nil {
		return err
	}
	if e.out.JSON {
		st, _ := t.Source.Status()
		return jsonline.Write(e.out.Out, jsonline.Access{Account: t.Account, AccessToken: token, ValidUntil: st.ValidUntil})
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

func tokenJSONOf(account string, st *oauth.Status) *jsonline.Token {
	set := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return &jsonline.Token{Account: account, Provider: st.Provider, Flow: st.Flow.String(), LoggedIn: set(st.LoggedIn),
		Refreshed: set(st.Refreshed), ValidUntil: set(st.ValidUntil), LoginUntil: set(st.LoginUntil), Scopes: st.Scopes,
		NeedsLogin: st.NeedsLogin, Reason: st.Reason, Warning: st.Warning}
}

// tokenState is what status and check show of an account's tokens; nil without
// OAuth2. Tokens that cannot be read are a warning: a login may not cure that.
func tokenState(e *call, a *config.Account) *jsonline.Token {
	if a.OAuth == nil {
		return nil
	}
	t, err := e.builder.Tokens(a)
	if err != nil {
		return &jsonline.Token{Provider: a.OAuth.Provider, Flow: a.OAuth.Flow.String(), Warning: err.Error()}
	}
	st, err := t.Source.Status()
	if err != nil {
		st.Warning = err.Error()
		if text := advice.Text(err, e.situation(a)); text != "" {
			st.Warning += ": " + text
		}
	}
	return tokenJSONOf("", &st)
}

// writeTokenState prints it below the table.
func writeTokenState(w io.Writer, account string, t *jsonline.Token) {
	account = term.Printable(account)
	if t.NeedsLogin {
		fmt.Fprintf(w, "%s: needs `mailhaul login %s`: %s\n", account, account, term.Printable(t.Reason))
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
