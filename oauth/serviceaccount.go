package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// accountKey is Google's JSON key file.
type accountKey struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURL string `json:"token_uri"`
}

func readAccountKey(path string) (*accountKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cause(err)
	}
	var k accountKey
	if json.Unmarshal(data, &k) != nil { // its words may quote the key
		return nil, errors.New("not a JSON key file")
	}
	if k.Type != "service_account" || k.Email == "" || k.Key == "" {
		return nil, errors.New("not the key file of a service account")
	}
	return &k, nil
}

// serviceAccount signs for the subject, to exchange that for a token (RFC 7523
// section 2.1).
func (c *Client) serviceAccount(ctx context.Context) (sender, error) {
	const op = "service account"
	fail := func(err error) (sender, error) {
		return nil, &Error{Kind: KindConfig, Op: op, Provider: c.preset.Name, Err: fmt.Errorf("%s: %w", c.conf.ServiceAccount, err)}
	}
	k, err := readAccountKey(c.conf.ServiceAccount)
	if err != nil {
		return fail(err)
	}
	key, err := parseKey([]byte(k.Key))
	if err != nil {
		return fail(err)
	}
	tokenURL := cmp.Or(c.conf.TokenURL, k.TokenURL)
	if err := checkURL(tokenURL); err != nil {
		return fail(fmt.Errorf("token_uri: %w", err))
	}
	assertion, err := signJWT(key, map[string]any{"kid": k.KeyID}, c.accountClaims(k, tokenURL, time.Now()))
	if err != nil {
		return fail(err)
	}
	own := *c // the account's key names it, and no client does
	own.conf.TokenURL, own.conf.ClientID, own.conf.Secret, own.conf.Certificate = tokenURL, "", nil, ""
	params := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	return own.tokenRequest(ctx, op, params, nil)
}

func (c *Client) accountClaims(k *accountKey, audience string, now time.Time) map[string]any {
	claims := map[string]any{
		"iss": k.Email, "aud": audience, "scope": strings.Join(c.conf.Scopes, " "),
		"iat": now.Add(-assertionSlack).Unix(), "exp": now.Add(assertionLife).Unix(),
	}
	if c.conf.Subject != "" {
		claims["sub"] = c.conf.Subject
	}
	return claims
}
