package sasl

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
)

type cramMD5 struct {
	user, password string
	answered       bool
}

// NewCRAMMD5 is CRAM-MD5 (RFC 2195): the password keys a digest of the server's
// challenge. The server proves nothing, and who records an exchange can guess
// the password offline.
func NewCRAMMD5(user, password string) Mechanism {
	return &cramMD5{user: user, password: password}
}

func (c *cramMD5) Start() (string, []byte, error) {
	err := check(field{name: "user name", value: c.user}, field{name: "password", value: c.password})
	if err != nil {
		return "", nil, err
	}
	return "CRAM-MD5", nil, nil
}

func (c *cramMD5) Next(challenge []byte) ([]byte, error) {
	if c.answered {
		return nil, errUnexpected
	}
	c.answered = true
	// RFC 2195 section 2: the challenge is a msg-id. What matters is that
	// there is one: the answer to nothing is the same every day.
	if len(challenge) == 0 {
		return nil, errors.New("empty challenge")
	}
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(mac.Sum(nil))), nil
}
