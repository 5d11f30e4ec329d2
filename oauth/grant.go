package oauth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

const (
	// maxToken bounds a token; the largest known have a few KiB.
	maxToken = 64 << 10
	// assumedLife is how long an access token is taken to live if the
	// provider does not say (RFC 6749 section 5.1 only recommends it).
	assumedLife = time.Hour
)

// grant is what a token endpoint answered.
type grant struct {
	access, refresh string
	issued, expiry  time.Time
	// refreshExpiry is zero if the provider does not say.
	refreshExpiry time.Time
	scopes        []string
	skew          time.Duration
	style         provider.AuthStyle
}

// secret resolves the client secret.
func (c *Client) secret(ctx context.Context) (string, error) {
	if c.conf.Secret == nil {
		return "", nil
	}
	s, err := c.conf.Secret(ctx)
	if ctx.Err() != nil {
		return "", fmt.Errorf("client secret: %w", context.Cause(ctx))
	}
	if err != nil {
		return "", &Error{Kind: KindConfig, Op: OpSecret, Provider: c.preset.Name, Err: err}
	}
	return s, nil
}

// sender sends a request that is ready, once.
type sender func() (*grant, error)

// tokenRequest prepares to ask the token endpoint for what params say;
// grant_type is one of them. What is sent is not cancelled any more, but bounded
// by the timeout: the answer may hold the only good refresh token.
func (c *Client) tokenRequest(ctx context.Context, op string, params url.Values, scopes []string) (sender, error) {
	secret, err := c.secret(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.addAssertion(params); err != nil {
		return nil, err
	}
	lib := clientcredentials.Config{
		ClientID: c.conf.ClientID, ClientSecret: secret, TokenURL: c.conf.TokenURL,
		Scopes: scopes, EndpointParams: params,
	}
	hide := secrets{secret, params.Get("refresh_token"), params.Get("client_assertion"), params.Get("assertion")}
	return func() (*grant, error) {
		return c.grant(context.WithoutCancel(ctx), op, secret, hide, func(ctx context.Context, style provider.AuthStyle) (*oauth2.Token, error) {
			lib.AuthStyle = libraryStyle(style)
			return lib.Token(ctx)
		})
	}, nil
}

// asker sends one request for a token.
type asker func(context.Context, provider.AuthStyle) (*oauth2.Token, error)

// grant runs an exchange whose answer is a token. With an error the grant, if
// there is one, holds the refresh token of an answer that was else of no use.
func (c *Client) grant(ctx context.Context, op, secret string, hide secrets, ask asker) (*grant, error) {
	return authenticated(c.styles(secret), func(style provider.AuthStyle) (*grant, error) {
		g, err := c.grantBy(ctx, op, hide, style, ask)
		if err == nil && secret != "" {
			c.lastStyle.Store(uint32(style))
		}
		return g, err
	})
}

func (c *Client) grantBy(ctx context.Context, op string, hide secrets, style provider.AuthStyle, ask asker) (*grant, error) {
	var token *oauth2.Token
	rec, err := c.exchange(ctx, op, hide, func(ctx context.Context) (err error) {
		token, err = ask(ctx, style)
		return err
	})
	if err != nil {
		refresh, _ := rec.members["refresh_token"].(string)
		return &grant{refresh: refresh}, err
	}
	g, err := newGrant(token, time.Now())
	if err != nil {
		return g, &Error{Kind: KindProtocol, Op: op, Provider: c.preset.Name, Host: rec.host, Status: rec.status, Err: err}
	}
	g.skew, g.style = rec.skew, style
	if g.scopes == nil {
		g.scopes = c.conf.Scopes // RFC 6749 section 5.1: as asked for
	}
	return g, nil
}

// newGrant checks a token that was received at now. Times are by our clock and
// expires_in: the provider's clock does not matter. With an error the grant
// holds the refresh token alone: the old one may be good no more.
func newGrant(t *oauth2.Token, now time.Time) (*grant, error) {
	refresh := &grant{refresh: t.RefreshToken}
	if len(t.RefreshToken) > maxToken {
		return &grant{}, fmt.Errorf("refresh token: %d bytes long", len(t.RefreshToken))
	}
	if bound := strings.ToLower(t.TokenType); bound == "mac" || bound == "dpop" || bound == "pop" {
		return refresh, fmt.Errorf("token type %q is not bearer", bound)
	}
	if err := checkToken(t.AccessToken); err != nil {
		return refresh, fmt.Errorf("access token: %w", err)
	}
	g := &grant{access: t.AccessToken, refresh: t.RefreshToken, issued: now, expiry: t.Expiry}
	if g.expiry.IsZero() {
		g.expiry = now.Add(assumedLife)
	}
	if s, ok := t.Extra("scope").(string); ok && s != "" {
		g.scopes = strings.Fields(clip(escape(s)))
	}
	// Google and Azure; Keycloak.
	for _, name := range []string{"refresh_token_expires_in", "refresh_expires_in"} {
		if d := seconds(t.Extra(name)); d > 0 {
			g.refreshExpiry = now.Add(d)
		}
	}
	return g, nil
}

// checkToken accepts printable ASCII (RFC 6749 appendix A.12 and A.17, without
// the space, which no SASL mechanism can carry).
func checkToken(s string) error {
	switch {
	case s == "":
		return errors.New("empty")
	case len(s) > maxToken:
		return fmt.Errorf("%d bytes long", len(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }):
		return errors.New("holds a character that no token has")
	}
	return nil
}

// seconds reads a count of seconds from JSON; 0 if there is none. What never
// ends lasts for 68 years.
func seconds(v any) time.Duration {
	var n float64
	switch v := v.(type) {
	case float64:
		n = v
	case string:
		n, _ = strconv.ParseFloat(strings.TrimSpace(v), 64)
	}
	if !(n > 0) {
		return 0
	}
	return time.Duration(min(n, math.MaxInt32) * float64(time.Second))
}

// refresh prepares to use a refresh token (RFC 6749 section 6).
func (c *Client) refresh(ctx context.Context, token string) (sender, error) {
	params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	var scopes []string
	if c.preset.RefreshScope {
		scopes = c.conf.Scopes
	}
	return c.tokenRequest(ctx, "refresh", params, scopes)
}

// unattended gets a token in the flows that need no person.
func (c *Client) unattended(ctx context.Context) (*grant, error) {
	var send sender
	var err error
	if c.conf.Flow == provider.ServiceAccount {
		send, err = c.serviceAccount(ctx)
	} else {
		send, err = c.tokenRequest(ctx, "client credentials", url.Values{"grant_type": {"client_credentials"}}, c.conf.Scopes)
	}
	if err != nil {
		return nil, err
	}
	return send()
}

// durable reports an error if a login would not last: no refresh token, and an
// access token that soon ends.
func (c *Client) durable(g *grant) error {
	if g.refresh != "" || g.expiry.Sub(g.issued) > 30*day {
		return nil
	}
	return &Error{Kind: KindConfig, Op: OpLogin, Provider: c.preset.Name, Err: &NoRefreshError{slices.Contains(c.conf.Scopes, "offline_access")}}
}
