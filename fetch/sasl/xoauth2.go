package sasl

type xoauth2 struct{ bearer }

// NewXOAUTH2 is XOAUTH2 (Google's protocol, also Microsoft's): an OAuth 2.0
// access token for user. It implements Explainer with a *TokenError.
//
// There is no initial response, although the protocol has one: Exchange Online
// drops the connection on the one-line form.
func NewXOAUTH2(user, token string) Mechanism {
	return &xoauth2{bearer{user: user, token: token, dummy: []byte{}}}
}

func (x *xoauth2) Start() (string, []byte, error) {
	if err := check(field{name: "user name", value: x.user}); err != nil {
		return "", nil, err
	}
	if err := x.check(); err != nil {
		return "", nil, err
	}
	return "XOAUTH2", nil, nil
}

func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	if x.sent {
		return x.refuse(challenge)
	}
	x.sent = true
	return []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}
