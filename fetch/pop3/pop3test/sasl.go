package pop3test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// ServerMech is the server side of one SASL exchange.
type ServerMech interface {
	// Next takes the client's response, nil if there was no initial one, and
	// returns the next challenge, or done. An error refuses the login. What
	// is true only after a last challenge (SCRAM's signature) is sent as a
	// challenge, and the client's empty answer leads to done.
	Next(response []byte) (challenge []byte, done bool, err error)
	// User is who logged in, once Next said done.
	User() string
}

var errRefused = errors.New("refused")

// mechanism makes the named mechanism, or nil if it is not offered.
func (s *session) mechanism(name string) ServerMech {
	if !slices.Contains(s.opts.Mechanisms, name) {
		return nil
	}
	if make := s.opts.SASL[name]; make != nil {
		return make(s.tls)
	}
	switch name {
	case "PLAIN":
		return &steps{opts: s.opts, next: plainStep}
	case "LOGIN":
		return &steps{opts: s.opts, next: loginStep}
	case "CRAM-MD5":
		return &steps{opts: s.opts, next: cramStep}
	case "XOAUTH2", "OAUTHBEARER":
		return &steps{opts: s.opts, next: bearerStep, bearer: name}
	case "EXTERNAL":
		return &steps{opts: s.opts, next: externalStep, tls: s.tls}
	}
	return nil
}

// steps is a mechanism of this package: a step function and what it keeps.
type steps struct {
	opts   *Options
	tls    *tls.ConnectionState
	next   func(m *steps, response []byte) (challenge []byte, done bool, err error)
	bearer string
	user   string
	sent   []byte
	failed bool
}

func (m *steps) User() string { return m.user }

func (m *steps) Next(response []byte) ([]byte, bool, error) { return m.next(m, response) }

func (m *steps) finish(user string, right bool) ([]byte, bool, error) {
	if !right {
		return nil, false, errRefused
	}
	m.user = user
	return nil, true, nil
}

// plainStep is RFC 4616.
func plainStep(m *steps, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	f := strings.Split(string(response), "\x00")
	if len(f) != 3 || (f[0] != "" && f[0] != f[1]) {
		return nil, false, errRefused
	}
	return m.finish(f[1], m.opts.checkPassword(f[1], f[2]))
}

func loginStep(m *steps, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case m.user == "":
		m.user = string(response)
		return []byte("Password:"), false, nil
	}
	return m.finish(m.user, m.opts.checkPassword(m.user, string(response)))
}

// cramStep is RFC 2195.
func cramStep(m *steps, response []byte) ([]byte, bool, error) {
	if m.sent == nil {
		m.sent = []byte("<" + rand.Text() + "@pop3test.example>")
		return m.sent, false, nil
	}
	i := bytes.LastIndexByte(response, ' ')
	if i < 0 {
		return nil, false, errRefused
	}
	mac := hmac.New(md5.New, []byte(m.opts.Password))
	mac.Write(m.sent)
	user := string(response[:i])
	right := equal(string(response[i+1:]), hex.EncodeToString(mac.Sum(nil)))
	return m.finish(user, right && m.opts.isUser(user))
}

// bearerStep is XOAUTH2, and OAUTHBEARER of RFC 7628: a refusal is a JSON
// challenge, and -ERR follows the client's dummy answer.
func bearerStep(m *steps, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if m.failed {
		return nil, false, errRefused
	}
	user, token := parseBearer(m.bearer, string(response))
	if m.opts.isUser(user) && m.opts.Token(user, token) {
		return m.finish(user, true)
	}
	m.failed = true
	return []byte(`{"status":"401","schemes":"bearer","scope":"https://mail.example/"}`), false, nil
}

// parseBearer takes user and token from the initial response of mech; both are
// empty if it is malformed.
func parseBearer(mech, response string) (user, token string) {
	f := strings.Split(response, "\x01")
	if len(f) < 4 || f[len(f)-1] != "" || f[len(f)-2] != "" {
		return "", ""
	}
	if mech == "XOAUTH2" {
		user = strings.TrimPrefix(f[0], "user=")
	} else {
		user = strings.TrimSuffix(strings.TrimPrefix(f[0], "n,a="), ",")
		user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(user)
	}
	if user == f[0] {
		return "", ""
	}
	for _, kv := range f[1:] {
		if t, ok := strings.CutPrefix(kv, "auth=Bearer "); ok {
			token = t
		}
	}
	return user, token
}

// externalStep takes the common name of the verified client certificate.
func externalStep(m *steps, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if m.tls == nil || len(m.tls.VerifiedChains) == 0 {
		return nil, false, errRefused
	}
	user := m.tls.PeerCertificates[0].Subject.CommonName
	asked := string(response)
	return m.finish(user, m.opts.isUser(user) && (asked == "" || asked == user))
}
