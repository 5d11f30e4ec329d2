package sasl

import (
	"strconv"
	"strings"
)

// oauthBearer is OAUTHBEARER. go-sasl's form is not used: at a refusal it
// returns an error instead of the answer that the server waits for.
type oauthBearer struct {
	bearer
	ch Channel
}

// NewOAuthBearer is OAUTHBEARER (RFC 7628): an OAuth 2.0 access token. An empty
// user means whom the token names. It implements Explainer with a *TokenError.
func NewOAuthBearer(user, token string, ch Channel) Mechanism {
	// RFC 7628 section 3.2.3: the answer to a refusal is one control-A.
	return &oauthBearer{bearer{user: user, token: token, dummy: []byte{1}}, ch}
}

func (o *oauthBearer) Start() (string, []byte, error) {
	if err := o.check(); err != nil {
		return "", nil, err
	}
	if err := check(field{name: "host", value: o.ch.Host, optional: true}); err != nil {
		return "", nil, err
	}
	o.sent = true
	return "OAUTHBEARER", []byte(o.message()), nil
}

func (o *oauthBearer) Next(challenge []byte) ([]byte, error) {
	return o.refuse(challenge)
}

// message is the client's only one, RFC 7628 section 3.1.
func (o *oauthBearer) message() string {
	var b strings.Builder
	b.WriteString("n,")
	if o.user != "" {
		b.WriteString("a=" + saslName(o.user))
	}
	b.WriteString(",\x01")
	if o.ch.Host != "" {
		b.WriteString("host=" + o.ch.Host + "\x01")
	}
	if o.ch.Port != 0 {
		b.WriteString("port=" + strconv.Itoa(o.ch.Port) + "\x01")
	}
	b.WriteString("auth=Bearer " + o.token + "\x01\x01")
	return b.String()
}

// saslName escapes a name for a GS2 header (RFC 5801 section 4).
func saslName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}
