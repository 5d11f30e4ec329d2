package oauth

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// Revoke ends the login: it tells the provider, where it has a revocation
// endpoint (RFC 7009), and then removes the tokens here, also if the provider
// could not be told. Told reports whether the provider knows. No tokens is
// ErrNoTokens.
func (s *Source) Revoke(ctx context.Context) (told bool, err error) {
	unlock, err := s.store.lock(ctx, s.account)
	if err != nil {
		return false, s.named(err)
	}
	defer unlock()
	r, err := s.store.load(ctx, s.account)
	if errors.Is(err, ErrNoTokens) {
		return false, s.named(err)
	}
	// What cannot be read, or is another client's, is removed anyway.
	var rerr error
	if err == nil && s.client.conf.RevokeURL != "" && s.belongs(r) == nil {
		rerr = s.client.revoke(ctx, cmp.Or(r.Tokens.Refresh, r.Tokens.Access))
		told = rerr == nil
	}
	s.keep(nil)
	if err := errors.Join(rerr, s.store.forget(ctx, s.account)); err != nil {
		return told, s.named(err)
	}
	return told, nil
}

// revoke tells the provider to forget a token and what came with it.
func (c *Client) revoke(ctx context.Context, token string) error {
	secret, err := c.secret(ctx)
	if err != nil {
		return err
	}
	form := url.Values{"token": {token}}
	if c.styles(secret)[0] != provider.InHeader {
		form.Set("client_id", c.conf.ClientID)
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.conf.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return configError(c.preset.Name, errors.New("the revocation endpoint is no URL"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !form.Has("client_id") {
		req.SetBasicAuth(url.QueryEscape(c.conf.ClientID), url.QueryEscape(secret))
	}
	var rec receipt
	resp, err := c.httpClient(ctx, &rec).Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return c.classify(OpRevoke, err, rec, secrets{token, secret})
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	// RFC 7009 section 2.2: a token that is not valid any more is no error;
	// Google says invalid_token with status 400.
	if resp.StatusCode == http.StatusOK || strings.Contains(string(body), "invalid_token") {
		return nil
	}
	return &Error{Op: OpRevoke, Provider: c.preset.Name, Kind: kindOfStatus(resp.StatusCode), Status: resp.StatusCode}
}
