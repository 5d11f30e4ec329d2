package advice

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
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
		when("secret", func(err error) bool {
			return errors.As(err, new(*config.SecretError)) && !errors.As(err, new(*oauth.Error))
		},
			"No password or token was sent. Look at where it comes from, as the user who runs this."),
		of("OAuth2", tokenAdvice),
		{"never logged in", func(err error, at Situation) string {
			if !errors.Is(err, oauth.ErrNoTokens) {
				return ""
			}
			return "Run `mailhaul login " + at.account() + "`."
		}},
	}
}

func tokenAdvice(e *oauth.Error, at Situation) string {
	var parts []string
	if e.NeedsLogin() {
		parts = append(parts, "Run `mailhaul login "+cmp.Or(e.Account, at.account())+"`.")
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

// codeText is advice on an OAuth2 error code. An empty field fits everything; words
// are the provider's, in lower case.
type codeText struct{ code, preset, words, flow, text string }

// codeTexts are searched in order.
var codeTexts = []codeText{
	{"access_denied", "google", "", "", "Was the consent declined? While the registration is in \"Testing\", only its listed test users may log in."},
	{"admin_policy_enforced", "google", "", "", "The Workspace administrator must allow this client_id (API controls)."},
	{"org_internal", "google", "", "", "The registration is for users of its own organisation only."},
	{"invalid_grant", "google", "invalid jwt", "service_account", "Is the clock right, and does the key file belong to the service account?"},
	{"invalid_grant", "google", "", "service_account", "Is subject a user of the domain, and does the service account still exist?"},
	{"invalid_grant", "google", "", "", "Google ends a login after 7 days while the registration is in \"Testing\" (publish it), after 6 months without use, and when the password changes."},
	{"invalid_scope", "google", "", "device", "Google does not allow mail with the device flow: use flow browser, on a headless machine with --paste."},
	{"unauthorized_client", "google", "", "service_account", "The Workspace administrator must grant domain-wide delegation to the service account's client id, for the scope https://mail.google.com/."},
	{"invalid_client", "google", "", "", "Check client_id and client_secret; a \"Desktop app\" client has a secret that must be configured."},
	{"invalid_request", "google", "client_secret", "", "Configure the client_secret of the \"Desktop app\" client."},
	{"deleted_client", "", "", "", "The registration was deleted: make a new one."},
	{"redirect_uri_mismatch", "", "", "", "The registration must be one for desktop apps, or name this machine's redirect URI."},
	{"invalid_client", "", "", "", "Check client_id and client_secret."},
	{"invalid_scope", "", "", "", "Check scopes, and what the registration allows."},
	{"unauthorized_client", "", "", "", "The registration does not allow this flow."},
	{"unsupported_grant_type", "", "", "", "The provider does not have this flow."},
	{"expired_token", "", "", "", "Start again, and enter the code within its time."},
	{"access_denied", "", "", "", "The consent was declined, or an administrator does not allow it."},
	{"invalid_grant", "", "", "service_account", "Is the clock right, and are key file and subject?"},
	{"invalid_grant", "", "", "", "The login has expired or was revoked."},
}

// codeAdvice is for a provider's error code, and Microsoft's number before that.
func codeAdvice(e *oauth.Error) string {
	if e.Number != "" {
		text, known := entra[e.Number]
		if !known && !slices.Contains([]string{"70016", "90006", "90033"}, e.Number) { // these pass
			text = "Look AADSTS" + e.Number + " up at https://login.microsoftonline.com/error?code=" + e.Number + "."
		}
		return text
	}
	for _, c := range codeTexts {
		if c.code == e.Code && (c.preset == "" || c.preset == e.Provider) && (c.flow == "" || c.flow == e.Flow.String()) &&
			strings.Contains(strings.ToLower(e.Text), c.words) {
			return c.text
		}
	}
	return ""
}

// entra are Microsoft's error numbers (AADSTS...) that people meet.
var entra = map[string]string{
	"16000":   "Several accounts are signed in: choose the one of this mailbox.",
	"50011":   "Register http://localhost as a redirect URI under \"Mobile and desktop applications\".",
	"50013":   "The client assertion was not accepted: is this certificate the registered one?",
	"50020":   "The user is not of this tenant: personal accounts need provider microsoft-consumer, others the right tenant.",
	"50034":   "The user does not exist in this tenant: check user and tenant; personal accounts need provider microsoft-consumer.",
	"50053":   "The account is locked, or this address is blocked, after too many sign-ins.",
	"50057":   "The account is disabled.",
	"50059":   "Set tenant to the organisation's id or domain.",
	"50076":   "Multi-factor authentication is wanted now.",
	"50078":   "Multi-factor authentication is wanted again.",
	"50079":   "The user must set up multi-factor authentication, in the browser.",
	"50105":   "An administrator must assign the user to the application.",
	"50126":   "User name or password is wrong.",
	"50132":   "The password was changed or the session revoked.",
	"50133":   "The password was changed or has expired.",
	"50158":   "A further check is wanted, in the browser.",
	"50173":   "The password was changed since the last login.",
	"50194":   "The registration is for one tenant only: set tenant to the organisation's id or domain.",
	"53000":   "Conditional access wants a managed device: ask the administrator.",
	"53001":   "Conditional access wants a joined device: ask the administrator.",
	"53003":   "Blocked by conditional access, often of the device flow: try the browser flow, or ask the administrator.",
	"65001":   "Consent is missing: grant it at the login, or ask the administrator to grant POP.AccessAsUser.All.",
	"65004":   "Consent was declined.",
	"70000":   "The login was revoked, or does not cover the scopes that are asked for now.",
	"70008":   "The login has expired from inactivity.",
	"70011":   "A scope is wrong; for POP3 it is https://outlook.office.com/POP.AccessAsUser.All.",
	"70019":   "The device code has expired.",
	"70043":   "An administrator's policy limits how long a login lasts.",
	"90002":   "There is no such tenant.",
	"90094":   "An administrator must consent to the application.",
	"90095":   "An administrator must consent: a request was sent to them.",
	"500011":  "The scope names a resource that this tenant does not have; app-only wants https://outlook.office365.com/.default.",
	"500113":  "Register http://localhost as a redirect URI.",
	"500341":  "The account was deleted.",
	"530003":  "Conditional access wants a managed device: ask the administrator.",
	"700003":  "The device was deleted from the directory.",
	"700016":  "There is no client of this client_id in this tenant: check both, and which accounts the registration allows.",
	"700024":  "The client assertion is not valid at this time: is the clock right?",
	"700025":  "The registration is a public client: take client_secret out.",
	"700027":  "The certificate is not among those registered for the client.",
	"700082":  "The login was not used for 90 days.",
	"700084":  "The registration is a single-page one, whose logins last a day: register \"Mobile and desktop\" instead.",
	"7000012": "The login was made in another tenant.",
	"7000112": "The application is disabled.",
	"7000215": "The client secret is wrong: configure the secret's value, not its id.",
	"7000218": "Set \"Allow public client flows\" to Yes in the registration, or configure its client_secret.",
	"7000229": "The application has no service principal in this tenant: an administrator must consent to it there first.",
	"7000222": "The client secret has expired: make a new one in the registration.",
	"9002313": "The request is malformed: check client_id, tenant and scopes.",
	"9002331": "This registration is for personal accounts: use provider microsoft-consumer.",
	"9002346": "This registration is for personal accounts: use provider microsoft-consumer.",
}
