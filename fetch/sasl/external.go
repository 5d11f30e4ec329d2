package sasl

import (
	"errors"

	gosasl "github.com/emersion/go-sasl"
)

type external struct {
	gosasl.Client
	authzid     string
	certificate bool
}

// NewExternal is EXTERNAL (RFC 4422 appendix A): the client certificate of the
// TLS handshake is the proof. An empty authzid means to act as who the
// certificate names. The TLS state does not tell a client whether it presented
// a certificate, so the caller says so.
func NewExternal(authzid string, certificate bool) Mechanism {
	return &external{Client: gosasl.NewExternalClient(authzid), authzid: authzid, certificate: certificate}
}

func (e *external) Start() (string, []byte, error) {
	if !e.certificate {
		return "", nil, errors.New("EXTERNAL needs TLS with a client certificate")
	}
	if err := check(field{name: "authorisation identity", value: e.authzid, optional: true}); err != nil {
		return "", nil, err
	}
	return e.Client.Start()
}

func (e *external) Next([]byte) ([]byte, error) { return nil, errUnexpected }
