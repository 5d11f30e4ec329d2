package advice

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// tokenRows are for tokens and secrets: they know better than what the login that
// wanted them makes of it.
func tokenRows() []row {
	return []row{
		func(err error, _ Situation) string {
			e, ok := errors.AsType[*config.SecretError](err)
			switch {
			case !ok || errors.As(err, new(*oauth.Error)):
				return ""
			case e.Kind == config.SecretKeyring:
				return "No password or token was sent. The keyring belongs to the desktop session of a user, and must be unlocked; cron, " +
					"services and ssh often have no session: have a command print the password there, or keep it in a file."
			}
			return "No password or token was sent. Look at where it comes from, as the user who runs this."
		},
		of(tokenAdvice),
		func(err error, at Situation) string {
			if !errors.Is(err, oauth.ErrNoTokens) {
				return ""
			}
			return "Run `mailhaul login " + at.login() + "`."
		},
	}
}

func tokenAdvice(e *oauth.Error, at Situation) string {
	var parts []string
	if e.NeedsLogin() {
		parts = append(parts, "Run `mailhaul login "+cmp.Or(e.Account, at.login())+"`.")
	}
	if e.Kind != oauth.KindTemporary && len(parts) == 0 && e.Account != "" && at.Account != "" && e.Account != at.Account {
		parts = append(parts, "This is the login "+e.Account+".")
	}
	if text := cmp.Or(codeAdvice(e), causeAdvice(e, at), kindAdvice(e)); text != "" {
		parts = append(parts, text)
	}
	if !e.Interrupted.IsZero() {
		parts = append(parts, fmt.Sprintf("A refresh at %s was interrupted before its answer was kept, and this provider does not take the old refresh token again.",
			e.Interrupted.Format(time.DateTime)))
	}
	if e.Skew != 0 {
		parts = append(parts, fmt.Sprintf("The provider's clock differs from this machine's by %v: set the clock.", e.Skew.Round(time.Second)))
	}
	return strings.Join(parts, " ")
}

// causeAdvice is for what went wrong here or on the way.
func causeAdvice(e *oauth.Error, at Situation) string {
	proxy, _ := errors.AsType[*oauth.ProxyError](e)
	_, short := errors.AsType[*oauth.NoRefreshError](e)
	switch {
	case errors.As(e, new(*oauth.ScopeError)) && e.Kind == oauth.KindDenied:
		return "Nothing was kept. Log in again, and tick every box on the provider's page."
	case errors.As(e, new(*oauth.ScopeError)):
		return "The page that opens asks for what is missing."
	case proxy != nil && proxy.Status == http.StatusProxyAuthRequired:
		return "The proxy on the way to the provider of the login wants a user name and password (a Kerberos login is not possible here): " +
			"give them in `proxy:`, or in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the provider in NO_PROXY."
	case proxy != nil && (proxy.Status == http.StatusForbidden || proxy.Status == http.StatusMethodNotAllowed):
		return "The proxy does not let this machine reach the provider of the login: its administrator must allow it, or name the provider in NO_PROXY."
	case proxy != nil:
		return "The proxy on the way to the provider of the login does not work: is it the right one in `proxy:` or HTTPS_PROXY?"
	case errors.Is(e, oauth.ErrNoAccess):
		return "The provider of the login gave no access to mail: ask for its scope of mail in `scopes`, with offline_access if it has that."
	case errors.Is(e, oauth.ErrNoDevice):
		return "Log in with a browser, or with --paste."
	case errors.Is(e, oauth.ErrPort):
		return "Set another redirect_port, or log in with --paste."
	case e.Strays > 0:
		return "Answers came that were not to this login: close old tabs and use the address that is shown now."
	case short:
		return refreshAdvice(e)
	}
	return ""
}

// refreshAdvice is for a login that would soon be over.
func refreshAdvice(e *oauth.Error) string {
	none, _ := errors.AsType[*oauth.NoRefreshError](e)
	p := provider.OfPreset(e.Provider)
	switch {
	case p != nil && p.OAuth.NoRefresh != "":
		return p.OAuth.NoRefresh
	case p != nil && p.OAuth.Tenant != "" && !none.Offline:
		return "Add offline_access to scopes."
	}
	return "Add the provider's scope for offline access."
}

// kindAdvice is what the step and the kind of an error say to do.
func kindAdvice(e *oauth.Error) string {
	who := "The provider of the login"
	if e.Host != "" {
		who += ", " + e.Host + ","
	}
	switch {
	case e.Op == oauth.OpKeyring:
		return "Is the keyring there and unlocked for this user, also under cron? Else use tokens: file."
	case e.Op == oauth.OpStore && errors.Is(e, fs.ErrPermission):
		return "Is it run by the user who logged in?"
	case e.Op == oauth.OpStore, e.Op == oauth.OpConfig:
		return ""
	case e.Op == oauth.OpSecret:
		return "client_secret could not be had, and nothing was sent: look at where it comes from, as the user who runs this."
	case e.Op == oauth.OpRevoke && e.Status != 0:
		return "The tokens are removed here; end the access on the provider's account page."
	case !e.Until.IsZero():
		return who + " asks to wait until " + e.Until.Format(time.DateTime) + ": a later run tries again by itself."
	case e.Kind == oauth.KindTemporary && e.Status == 0 && e.Code == "":
		return who + " cannot be reached now: is this machine online, or is there a proxy to name in `proxy:` or HTTPS_PROXY?"
	case e.Kind == oauth.KindTemporary:
		return "The provider of the login is busy or down: a later run tries again by itself."
	case e.Kind == oauth.KindProtocol && e.Status != 0:
		return who + " did not answer: is token_url right, and does this network ask for a login in the browser first, or a proxy answer?"
	case e.Kind == oauth.KindUntrusted:
		return "This is the certificate of the provider of the login, not of the mail server: does a firewall or virus scanner read the traffic " +
			"(its root belongs into the system's store), or is the provider your own (ca_file counts for provider: custom)?"
	case e.Kind == oauth.KindFailed && (e.Status != 0 || e.Code != ""):
		return who + " refused: check oauth: in the configuration and the registration there."
	}
	return ""
}

// codeText is advice on an OAuth2 error code, of any provider. An empty flow is any.
type codeText struct{ code, flow, text string }

// codeTexts are searched in order.
var codeTexts = []codeText{
	{"deleted_client", "", "The registration was deleted: make a new one."},
	{"redirect_uri_mismatch", "", "The registration must be one for desktop apps, or name this machine's redirect URI."},
	{"invalid_client", "", "Check client_id and client_secret."},
	{"invalid_scope", "", "Check scopes, and what the registration allows."},
	{"unauthorized_client", "", "The registration does not allow this flow."},
	{"unsupported_grant_type", "", "The provider does not have this flow."},
	{"expired_token", "", "Start again, and enter the code within its time."},
	{"access_denied", "", "The consent was declined, or an administrator does not allow it."},
	{"invalid_grant", "service_account", "Is the clock right, and are key file and subject?"},
	{"invalid_grant", "", "The login has expired or was revoked."},
}

// codeAdvice is for an error code: what the provider means by it, or else anyone.
func codeAdvice(e *oauth.Error) string {
	known := provider.RefusalOf(e.Provider, e.Number, e.Code, e.Text, e.Flow)
	switch {
	case known != nil:
		return strings.ReplaceAll(known.Advice, "{scopes}", strings.Join(e.Scopes, " "))
	case e.Number != "":
		return "Look AADSTS" + e.Number + " up at https://login.microsoftonline.com/error?code=" + e.Number + "."
	}
	for _, c := range codeTexts {
		if c.code == e.Code && (c.flow == "" || c.flow == e.Flow.String()) {
			return c.text
		}
	}
	return ""
}
