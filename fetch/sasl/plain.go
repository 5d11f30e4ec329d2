package sasl

import gosasl "github.com/emersion/go-sasl"

// plain is PLAIN: go-sasl's frame behind our check of what goes into it.
type plain struct {
	gosasl.Client
	fields []field
}

// NewPlain is PLAIN (RFC 4616): user name and password in the clear. The
// authorisation identity authzid is usually empty: act as user.
func NewPlain(authzid, user, password string) Mechanism {
	return &plain{
		Client: gosasl.NewPlainClient(authzid, user, password),
		fields: []field{
			{name: "authorisation identity", value: authzid, optional: true},
			{name: "user name", value: user},
			{name: "password", value: password},
		},
	}
}

func (p *plain) Start() (string, []byte, error) {
	if err := check(p.fields...); err != nil {
		return "", nil, err
	}
	return p.Client.Start()
}

func (p *plain) Next([]byte) ([]byte, error) { return nil, errUnexpected }
