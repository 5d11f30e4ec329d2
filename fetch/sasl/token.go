package sasl

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxToken is what Exchange Online takes at most, in characters, since 2025-07.
const maxToken = 4096

// TokenError is a token that the server refused, in the server's words (RFC
// 7628 section 3.2.2, and Google's XOAUTH2 protocol). The texts are foreign and
// unescaped; Error quotes them.
type TokenError struct {
	// Status is "invalid_token", "400" or the like; Schemes and Scope are
	// what the server would accept. Each may be empty.
	Status, Schemes, Scope string
	// Text is the server's answer where it is not the JSON object that it
	// should be.
	Text string
	// TokenTooLong means that the token is longer than the 4096 characters
	// that Exchange Online accepts, whatever the server said.
	TokenTooLong bool
	// Length of the token in bytes.
	Length int
}

// Error implements error, in one line.
func (e *TokenError) Error() string {
	var b strings.Builder
	b.WriteString("token refused")
	for _, f := range []struct{ name, value string }{
		{"status", e.Status}, {"schemes", e.Schemes}, {"scope", e.Scope}, {"answer", e.Text},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, ", %s %q", f.name, f.value)
		}
	}
	if e.TokenTooLong {
		fmt.Fprintf(&b, " (it has %d characters, and Exchange Online takes at most %d)", e.Length, maxToken)
	}
	return b.String()
}

// bearer is what XOAUTH2 and OAUTHBEARER share: one token, sent once; a refusal
// is a challenge with JSON in it, which wants a dummy answer before the server
// says -ERR.
type bearer struct {
	user, token string
	// dummy is the answer to the refusal.
	dummy   []byte
	sent    bool
	refused *TokenError
}

func (b *bearer) check() error {
	err := check(field{name: "user name", value: b.user, optional: true}, field{name: "token", value: b.token})
	if err != nil {
		return err
	}
	// RFC 6750 section 2.1: a token is printable ASCII without spaces.
	for i := range len(b.token) {
		if c := b.token[i]; c <= 0x20 || c > 0x7e {
			return fmt.Errorf("token holds a byte that no token has (0x%02x at offset %d)", c, i)
		}
	}
	return nil
}

// refuse takes the server's refusal and answers it.
func (b *bearer) refuse(challenge []byte) ([]byte, error) {
	if b.refused != nil {
		return nil, errUnexpected
	}
	b.refused = b.parse(challenge)
	return b.dummy, nil
}

// parse reads the refusal. What is not as it should be is kept as text: it only
// ever serves to explain.
func (b *bearer) parse(challenge []byte) *TokenError {
	e := b.newError()
	var v struct {
		Status  any `json:"status"` // a string; some servers send a number
		Schemes any `json:"schemes"`
		Scope   any `json:"scope"`
	}
	if json.Unmarshal(challenge, &v) != nil {
		e.Text = b.redact(string(challenge))
		return e
	}
	e.Status, e.Schemes, e.Scope = b.scalar(v.Status), b.scalar(v.Schemes), b.scalar(v.Scope)
	return e
}

func (b *bearer) newError() *TokenError {
	return &TokenError{TokenTooLong: len(b.token) > maxToken, Length: len(b.token)}
}

func (b *bearer) scalar(v any) string {
	switch v := v.(type) {
	case string:
		return b.redact(v)
	case float64:
		return b.redact(fmt.Sprint(v))
	}
	return ""
}

// redact returns a server's text as we keep it: bounded, and without our token, which
// some servers echo.
func (b *bearer) redact(s string) string {
	return clip(strings.ReplaceAll(s, b.token, "[token]"))
}

// Explain is a *TokenError if the server said why in a challenge, or if the
// token is too long for Exchange Online, which does not say why.
func (b *bearer) Explain() error {
	switch {
	case b.refused != nil:
		return b.refused
	case b.sent && len(b.token) > maxToken:
		return b.newError()
	}
	return nil
}

// Complete reports a server that refuses the token and then reports success, or
// does so before it has seen the token.
func (b *bearer) Complete() error {
	switch {
	case b.refused != nil:
		return b.refused
	case !b.sent:
		return ErrIncomplete
	}
	return nil
}
