package oauth

import (
	"errors"
	"net/http"
	"slices"

	"golang.org/x/oauth2"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// styles are how the client may authenticate at an endpoint (RFC 6749 section
// 2.3.1), the likely one first: what worked before, what the configuration or
// the preset says, or else both. Without a secret the body holds client_id.
func (c *Client) styles(secret string) []provider.AuthStyle {
	set := c.conf.AuthStyle
	if set == provider.AnyStyle {
		set = c.preset.AuthStyle
	}
	switch {
	case secret == "":
		return []provider.AuthStyle{provider.InBody}
	case set != provider.AnyStyle:
		return []provider.AuthStyle{set}
	case c.preset.Name != "custom":
		return []provider.AuthStyle{provider.InBody} // all presets that say nothing
	case provider.AuthStyle(c.lastStyle.Load()) == provider.InHeader:
		return []provider.AuthStyle{provider.InHeader, provider.InBody}
	}
	return []provider.AuthStyle{provider.InBody, provider.InHeader}
}

// authenticated runs an exchange by one style after the other, until one is
// not refused for its client authentication. What went with a refused request
// is not used up: the client is looked at first.
func authenticated[S, T any](styles []S, do func(S) (T, error)) (out T, err error) {
	for i, style := range styles {
		got, e := do(style)
		if i > 0 && refusedClient(e) {
			return out, err // the first says it best
		}
		out, err = got, e
		if !refusedClient(err) {
			return out, err
		}
	}
	return out, err
}

// refusedClient reports whether a refusal is about who asks.
func refusedClient(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusUnauthorized ||
		e.Status == http.StatusBadRequest && slices.Contains([]string{"invalid_client", "unauthorized_client", "invalid_request"}, e.Code)
}

// libraryStyle is a style as x/oauth2 calls it.
func libraryStyle(s provider.AuthStyle) oauth2.AuthStyle {
	if s == provider.InHeader {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
