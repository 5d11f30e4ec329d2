// Package sasl holds the client side of the SASL mechanisms (RFC 4422), one
// file each, and the table of the ways to log in. It knows nothing of POP3:
// package pop3 frames the exchange as RFC 5034 says. GSSAPI is in package
// gssapi, because it needs a Kerberos library.
//
// Each New function makes a mechanism for one exchange and never fails: what is
// wrong with its arguments is said by Start. No error of this package holds a
// password, a token or a key, and what a server said is quoted in them.
package sasl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// Mechanism is one authentication exchange, used once and then thrown away.
// The shape is that of emersion/go-sasl's Client, so its mechanisms fit.
type Mechanism interface {
	// Start begins the exchange. A nil initial response means that the
	// mechanism lets the server speak first; an empty one is a response of
	// length zero.
	Start() (name string, initial []byte, err error)
	// Next answers one challenge. An error cancels the exchange.
	Next(challenge []byte) (response []byte, err error)
}

// Explainer is a Mechanism that may know why the server refused: some say so in
// a challenge before a final reply that says nothing.
type Explainer interface {
	// Explain is asked after the server's refusal. Nil means that nothing
	// more is known than what the server's last reply says.
	Explain() error
}

// Completer is a Mechanism in which the server has something to prove or to say
// before it may report success.
type Completer interface {
	// Complete is asked after the server reported success. An error means
	// that success came too early: the server did not prove that it knows
	// the secret, and the login must be treated as failed.
	Complete() error
}

// Channel is what a mechanism may know of the connection it runs over.
type Channel struct {
	// Host and Port are the server's as configured (OAUTHBEARER, GSSAPI,
	// DIGEST-MD5 name them to the server).
	Host string
	Port int
	// TLS is nil on a connection without TLS.
	TLS *tls.ConnectionState
	// Offered are the mechanism names the server announced, upper case. Nil
	// means that it announced nothing.
	Offered []string
}

// ErrIncomplete is what Complete reports: success before the server's proof.
var ErrIncomplete = errors.New("server reported success without proving that it knows the secret")

// errUnexpected is the answer to a challenge that the mechanism does not have.
var errUnexpected = errors.New("unexpected challenge")

// errSpent is the answer to any use of an exchange that has already failed.
var errSpent = errors.New("exchange is over")

// field is one argument of a mechanism, named as the user knows it.
type field struct {
	name, value string
	optional    bool
}

// check refuses what no mechanism can carry: an empty value, NUL (the separator
// of PLAIN) and control characters (the end of a line to some server; never
// typed, often a trailing newline of a file). The value itself is not quoted.
func check(fields ...field) error {
	for _, f := range fields {
		if f.value == "" && !f.optional {
			return fmt.Errorf("%s is empty", f.name)
		}
		if err := CheckText(f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}

// CheckText refuses a value that holds NUL or another control character; what
// names it in the error. It is for mechanisms of other packages.
func CheckText(what, value string) error {
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c == 0x7f {
			return fmt.Errorf("%s holds a control character (byte 0x%02x at offset %d)", what, c, i)
		}
	}
	return nil
}

// clip bounds a foreign text that goes into an error.
func clip(s string) string {
	if len(s) > maxTold {
		return strings.ToValidUTF8(s[:maxTold], "") + "..."
	}
	return s
}

// maxTold bounds, in bytes, what is kept of each text that a server says.
const maxTold = 256
