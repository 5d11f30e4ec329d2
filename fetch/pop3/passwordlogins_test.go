package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// TestPasswordLogins: each login works against a server that has just that one,
// and without TLS nothing is sent.
func TestPasswordLogins(t *testing.T) {
	for _, tt := range []struct {
		want string
		o    pop3test.Options
	}{
		{"PLAIN", pop3test.Options{Mechanisms: []string{"LOGIN", "PLAIN"}}},
		{"LOGIN", pop3test.Options{Mechanisms: []string{"LOGIN", "CRAM-MD5"}}},
		{"USER", pop3test.Options{Mechanisms: []string{}}},
		{"USER", pop3test.Options{NoCAPA: true}},
		{"", pop3test.Options{Mechanisms: []string{"CRAM-MD5"}, NoUSER: true}},
		{"", pop3test.Options{Security: pop3test.Plain}},
	} {
		srv := pop3test.NewServer(new(pop3test.Maildrop), tt.o)
		s := &pop3.Server{Host: srv.Host, Port: srv.Port, TLS: &tls.Config{RootCAs: srv.CertPool()},
			Logins: pop3.PasswordLogins("alice", "secret")}
		if tt.o.Security == pop3test.Plain {
			s.Security = pop3.Plain
		}
		c, err := pop3.Dial(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Login(t.Context())
		none := (*pop3.NoLoginError)(nil)
		if c.LoginName() != tt.want || errors.As(err, &none) != (tt.want == "") || tt.want != "" && err != nil {
			t.Errorf("%+v: %q, %v", tt, c.LoginName(), err)
		}
		if tt.want == "" && srv.Count("USER")+srv.Count("AUTH") > 0 {
			t.Errorf("sent: %q", srv.Commands())
		}
		_ = c.Close() // only the login is tested
		srv.Close()
	}
}

// TestLoginBy: an error of the secret is the error of the mechanism, and a login
// that needs no secret is left to the caller.
func TestLoginBy(t *testing.T) {
	locked := errors.New("keyring is locked")
	for _, m := range sasl.Methods() {
		l := pop3.LoginBy(m, "alice", func(context.Context) (string, error) { return "", locked })
		if l.Name != m.Name() || l.User != "alice" || l.Named || l.Strength != uint8(m.Class()) {
			t.Errorf("%v: %+v", m, l)
		}
		bare := slices.Contains([]sasl.Method{sasl.Auto, sasl.Password, sasl.APOP, sasl.External, sasl.GSSAPI, sasl.KPOP}, m)
		if bare != (l.New == nil) {
			t.Errorf("%v: mechanism: %v", m, l.New != nil)
		}
		if l.New == nil {
			continue
		}
		if _, err := l.New(t.Context(), sasl.Channel{}); !errors.Is(err, locked) {
			t.Errorf("%v: %v", m, err)
		}
		if _, err := pop3.LoginBy(m, "alice", nil).New(t.Context(), sasl.Channel{}); err == nil {
			t.Errorf("%v: a login without a secret", m)
		}
	}
}
