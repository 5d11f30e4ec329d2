package sasl

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// nonceCount is nc-value: a mechanism is used once, so it is always the first
// use of the server's nonce.
const nonceCount = "00000001"

type digestMD5 struct {
	user, password string
	service        string // pop
	ch             Channel
	cnonce         string // ours; a field so that tests can set it
	step           int
	rspauth        string // what the server must answer
	done           bool
}

// NewDIGESTMD5 is DIGEST-MD5 (RFC 2831) with qop=auth, for servers that have
// nothing better: RFC 6331 made it historic, and MD5 makes a recorded exchange
// cheap to guess. It implements Completer: the server must prove itself.
func NewDIGESTMD5(user, password string, ch Channel) Mechanism {
	return &digestMD5{user: user, password: password, service: "pop", ch: ch, cnonce: rand.Text()}
}

func (d *digestMD5) Start() (string, []byte, error) {
	err := check(field{name: "user name", value: d.user}, field{name: "password", value: d.password},
		field{name: "host", value: d.ch.Host})
	if err != nil {
		return "", nil, err
	}
	return "DIGEST-MD5", nil, nil
}

func (d *digestMD5) Next(challenge []byte) ([]byte, error) {
	d.step++
	switch d.step {
	case 1:
		return d.respond(string(challenge))
	case 2:
		return d.verify(string(challenge))
	}
	return nil, errUnexpected
}

// Complete is nil once the server's rspauth was verified.
func (d *digestMD5) Complete() error {
	if !d.done {
		return ErrIncomplete
	}
	return nil
}

// respond answers the digest-challenge (RFC 2831 section 2.1.2).
func (d *digestMD5) respond(challenge string) ([]byte, error) {
	c, err := parseDigestChallenge(challenge)
	if err != nil {
		return nil, err
	}
	user, userHash, err := digestText("user name", d.user, c.utf8)
	if err != nil {
		return nil, err
	}
	_, passHash, err := digestText("password", d.password, c.utf8)
	if err != nil {
		return nil, err
	}
	uri := d.service + "/" + d.ch.Host
	a1 := md5.Sum([]byte(userHash + ":" + c.realm + ":" + passHash))
	ha1 := md5Hex(string(a1[:]) + ":" + c.nonce + ":" + d.cnonce)
	digest := func(a2 string) string {
		return md5Hex(ha1 + ":" + c.nonce + ":" + nonceCount + ":" + d.cnonce + ":auth:" + md5Hex(a2))
	}
	d.rspauth = digest(":" + uri)

	var b strings.Builder
	if c.utf8 {
		b.WriteString("charset=utf-8,")
	}
	b.WriteString("username=" + quoted(user))
	if c.hasRealm {
		b.WriteString(",realm=" + quoted(c.realm))
	}
	b.WriteString(",nonce=" + quoted(c.nonce) + ",nc=" + nonceCount + ",cnonce=" + quoted(d.cnonce) +
		",digest-uri=" + quoted(uri) + ",response=" + digest("AUTHENTICATE:"+uri) + ",qop=auth")
	return []byte(b.String()), nil
}

// verify checks the response-auth (RFC 2831 section 2.1.3).
func (d *digestMD5) verify(challenge string) ([]byte, error) {
	list, err := parseDirectives(challenge)
	if err != nil {
		return nil, err
	}
	got, ok := single(list, "rspauth")
	if !ok {
		return nil, errors.New("server sent no rspauth, the proof that it knows the password")
	}
	if d.rspauth == "" || !hmac.Equal([]byte(strings.ToLower(got)), []byte(d.rspauth)) {
		return nil, errors.New("wrong rspauth: the server does not know the password")
	}
	d.done = true
	return []byte{}, nil
}

// digestChallenge is what we use of a digest-challenge.
type digestChallenge struct {
	realm, nonce   string
	hasRealm, utf8 bool
}

func parseDigestChallenge(s string) (c digestChallenge, err error) {
	list, err := parseDirectives(s)
	if err != nil {
		return c, err
	}
	var ok bool
	if c.nonce, ok = single(list, "nonce"); !ok || c.nonce == "" {
		return c, errors.New("challenge without exactly one nonce")
	}
	if alg, ok := single(list, "algorithm"); !ok || !strings.EqualFold(alg, "md5-sess") {
		return c, errors.New("challenge without algorithm=md5-sess")
	}
	if qop, ok := single(list, "qop"); ok && !hasToken(qop, "auth") {
		return c, fmt.Errorf("server wants a security layer (qop %q)", clip(qop))
	} else if !ok && count(list, "qop") > 1 {
		return c, errors.New("challenge with more than one qop")
	}
	if charset, ok := single(list, "charset"); ok {
		if c.utf8 = strings.EqualFold(charset, "utf-8"); !c.utf8 {
			return c, fmt.Errorf("challenge with charset %q", clip(charset))
		}
	}
	// Several realms: the first one, as there is nobody to ask.
	for _, d := range list {
		if d.name == "realm" {
			c.realm, c.hasRealm = d.value, true
			break
		}
	}
	return c, nil
}

// hasToken reports whether a comma-separated list holds a token.
func hasToken(list, token string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.EqualFold(strings.Trim(s, " \t"), token)
	})
}

// digestText gives a text as it is sent and as it is hashed: RFC 2831 section
// 2.1.2.1 hashes in ISO 8859-1 whatever that can hold, also under charset=utf-8,
// and sends it so without.
func digestText(what, s string, utf8 bool) (sent, hashed string, err error) {
	latin1 := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			if !utf8 {
				return "", "", fmt.Errorf("%s needs charset=utf-8, which the server does not offer", what)
			}
			return s, s, nil
		}
		latin1 = append(latin1, byte(r))
	}
	if utf8 {
		return s, string(latin1), nil
	}
	return string(latin1), string(latin1), nil
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
