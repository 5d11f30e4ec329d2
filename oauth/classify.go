package oauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// classify turns the error of an exchange into an *Error without secrets. The
// library's own error is not kept: it holds the answer's body.
func (c *Client) classify(op string, err error, rec receipt, hide secrets) *Error {
	e := &Error{Op: op, Provider: c.preset.Name, Flow: c.conf.Flow, Host: rec.host}
	var refused *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case rec.status == http.StatusProxyAuthRequired:
		e.network(&ProxyError{Status: rec.status, Host: "on the way"})
	case errors.As(err, &refused):
		e.Status = rec.status
		c.refusal(e, refused.ErrorCode, refused.ErrorDescription, hide)
		if e.Code == "" && e.Kind == KindProtocol {
			e.Err = notOAuth(rec)
		}
	case errors.Is(err, errAnswerTooLong):
		e.Kind, e.Err = KindProtocol, errAnswerTooLong
	case errors.As(err, &transport):
		e.network(transport.Err)
	case rec.members["id_token"] != nil:
		e.Kind, e.Status, e.Err = KindProtocol, rec.status, ErrNoAccess
	case rec.members != nil:
		e.Kind, e.Status, e.Err = KindProtocol, rec.status, errors.New("the answer has no access_token")
	default: // the library could not read the answer; its words may quote it
		e.Kind, e.Status, e.Err = KindProtocol, rec.status, notOAuth(rec)
	}
	if e.Kind == KindTemporary && rec.wait > 0 {
		e.Until = time.Now().Add(rec.wait)
	}
	e.Skew = skewOf(e, rec)
	return e
}

func notOAuth(rec receipt) error {
	what := cmp.Or(rec.contentType, "no content type")
	return fmt.Errorf("HTTP status %d with %s is not an OAuth2 answer", rec.status, clip(escape(what)))
}

// skewOf keeps the difference of clocks for failures that it may explain.
func skewOf(e *Error, rec receipt) time.Duration {
	if e.Kind == KindTemporary || e.Kind == KindDenied {
		return 0
	}
	return rec.skew
}

// refusal fills in a provider's error code and description.
func (c *Client) refusal(e *Error, code, description string, hide secrets) {
	e.Code, e.Text = hide.clean(code), hide.clean(description)
	e.Kind = kindOfCode(code)
	if code == "" {
		e.Kind = kindOfStatus(e.Status)
	} else if temporaryStatus(e.Status) && e.Kind == KindFailed {
		e.Kind = KindTemporary
	}
	e.Flow, e.Scopes, e.Number = c.conf.Flow, c.conf.Scopes, entraCode(description)
	if known := provider.RefusalOf(e.Provider, e.Number, e.Code, e.Text, e.Flow); known != nil && known.Kind != "" {
		e.Kind = kindNamed(known.Kind)
	}
	switch {
	case e.Kind != KindNeedsLogin:
	case !attended(c.conf.Flow):
		e.Kind = KindConfig // nobody logs in: the key, subject or permission is wrong
	case e.Op == OpLogin:
		e.Kind = KindDenied // this was the login
	}
}

func kindOfStatus(status int) Kind {
	switch {
	case temporaryStatus(status):
		return KindTemporary
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status < 400:
		return KindProtocol
	}
	return KindFailed
}

func temporaryStatus(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// kindOfCode sorts the codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628
// section 3.5, OpenID Connect section 3.1.2.6 and some of providers.
func kindOfCode(code string) Kind {
	switch code {
	case "invalid_grant", "interaction_required", "login_required", "consent_required", "account_selection_required", "bad_token":
		return KindNeedsLogin
	case "access_denied", "authorization_declined", "admin_policy_enforced", "policy_enforced":
		return KindDenied
	case "expired_token", "code_expired", "bad_verification_code":
		return KindExpired
	case "temporarily_unavailable", "server_error", "slow_down", "authorization_pending", "internal_failure":
		return KindTemporary
	case "invalid_client", "invalid_scope", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type",
		"invalid_request", "redirect_uri_mismatch", "org_internal", "disabled_client", "deleted_client", "invalid_resource",
		"invalid_target":
		return KindConfig
	}
	return KindFailed
}

// entraCode returns the number of the first AADSTS code in a description.
func entraCode(description string) string {
	_, rest, ok := strings.Cut(description, "AADSTS")
	if !ok {
		return ""
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if n < 0 {
		n = len(rest)
	}
	return rest[:min(n, 10)]
}
