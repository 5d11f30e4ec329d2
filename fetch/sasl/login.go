package sasl

import "errors"

// login is LOGIN. go-sasl's form is not used: it sends the user name ahead of
// the first prompt and wants the second one to be exactly "Password:", while
// servers word their prompts as they like.
type login struct {
	user, password string
	step           int
}

// NewLogin is LOGIN (draft-murchison-sasl-login-00): user name and password in
// the clear, each after a prompt. The text of the prompts is not looked at.
func NewLogin(user, password string) Mechanism {
	return &login{user: user, password: password}
}

func (l *login) Start() (string, []byte, error) {
	err := check(field{name: "user name", value: l.user}, field{name: "password", value: l.password})
	if err != nil {
		return "", nil, err
	}
	return "LOGIN", nil, nil
}

func (l *login) Next([]byte) ([]byte, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte(l.user), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, errUnexpected
}

// Complete reports a server that was content before it asked for the password.
func (l *login) Complete() error {
	if l.step < 2 {
		return errors.New("server reported success before it asked for the password")
	}
	return nil
}
