package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

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
		if text := advice.Text(err, advice.SituationOf(a, e.conf == nil)); text != "" {
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
