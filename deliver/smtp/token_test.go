package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
)

// bearer is XOAUTH2, which waits for the first challenge, or OAUTHBEARER.
type bearer struct {
	name, token string
	refused     string
	sent        bool
}

func (b *bearer) Start() (string, []byte, error) {
	if b.name == "OAUTHBEARER" {
		b.sent = true
		return b.name, []byte(b.token), nil
	}
	return b.name, nil, nil
}

func (b *bearer) Next(challenge []byte) ([]byte, error) {
	if !b.sent {
		b.sent = true
		return []byte(b.token), nil
	}
	b.refused = string(challenge)
	return nil, nil
}

func (b *bearer) Explain() error {
	if b.refused == "" {
		return nil
	}
	return errors.New(b.refused)
}

// tokens are the logins by the tokens t1, t2, ... of the login me; last is the last
// one that there is.
func tokens(last int, length int) []login.Login {
	n := 1
	var list []login.Login
	for _, name := range []string{"OAUTHBEARER", "XOAUTH2"} {
		list = append(list, login.Login{Mechanism: name, Clear: true, User: "alice", Name: "me",
			New: func(context.Context, []string, *tls.ConnectionState) (login.Mechanism, error) {
				return &bearer{name: name, token: fmt.Sprintf("t%d", n) + strings.Repeat("x", length)}, nil
			},
			Renew: func(context.Context) error {
				if n == last {
					return errors.New("refresh: invalid_grant")
				}
				n++
				return nil
			}})
	}
	return list
}

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestTokens: a token that the relay refuses is replaced once, and the error says whose
// it is.
func TestTokens(t *testing.T) {
	t.Parallel()
	const hello = "S: 220 x\nC: EHLO\nS: 250-x\\n250-PIPELINING\\n250 AUTH LOGIN "
	by := func(token, answer string) string {
		return hello + "XOAUTH2\nC: AUTH XOAUTH2\r\nS: 334 \nC: " + inBase64(token) + "\r\n" + answer
	}
	refuse := "S: 334 " + inBase64(`{"status":"401"}`) + "\nC: \r\nS: 535 5.7.8 no\n"
	refuse454 := "S: 334 " + inBase64(`{"status":"invalid_token"}`) + "\nC: \r\nS: 454 4.7.0 no\n"
	long := strings.Repeat("x", 400)
	for _, tc := range []struct {
		name, want string
		last, long int
		scripts    []string
	}{
		{"accepted", "ok", 1, 0, []string{by("t1", "S: 235 ok\n"+envelope+taken+quit)}},
		{"accepted at once", "ok", 1, 0, []string{hello + "OAUTHBEARER\nC: AUTH OAUTHBEARER " + inBase64("t1") +
			"\r\nS: 235 ok\n" + envelope + taken + quit}},
		{"long", "ok", 1, 400, []string{hello + "OAUTHBEARER\nC: AUTH OAUTHBEARER\r\nS: 334 \nC: " + inBase64("t1"+long) +
			"\r\nS: 235 ok\n" +
			envelope + taken + quit}},
		{"ended", "ok", 2, 0, []string{by("t1", refuse), by("t2", "S: 235 ok\n"+envelope+taken+quit)}},
		{"refused twice", `denied: AUTH: 535 5.7.8 no ({"status":"401"})`, 2, 0, []string{by("t1", refuse), by("t2", refuse)}},
		{"revoked", "denied: AUTH: the server refused the token, and there is no new one: refresh: invalid_grant (it was refused with: ",
			1, 0, []string{by("t1", refuse)}},
		{"later", "unavailable: AUTH: 454 4.7.0 busy", 2, 0, []string{by("t1", "S: 454 4.7.0 busy\n")}},
		{"refused with 454", "ok", 2, 0, []string{by("t1", refuse454), by("t2", "S: 235 ok\n"+envelope+taken+quit)}},
		{"refused with 454 twice", `unavailable: AUTH: 454 4.7.0 no ({"status":"invalid_token"})`, 2, 0,
			[]string{by("t1", refuse454), by("t2", refuse454)}},
		{"revoked, 454", "denied: AUTH: the server refused the token, and there is no new one: refresh: invalid_grant (it was refused with: ",
			1, 0, []string{by("t1", refuse454)}},
		{"repeats it as no reply", "unavailable: AUTH: relay broke the protocol", 1, 0,
			[]string{hello + "OAUTHBEARER\nC: AUTH OAUTHBEARER " + inBase64("t1") + "\r\nS: AUTH OAUTHBEARER " + inBase64("t1") + "\n"}},
		{"repeats it", "denied: AUTH: 535 (reply repeats the password)", 2, 40,
			[]string{by("t1"+long[:40], "S: 535 5.7.8 t1"+long[:40]+"\n"),
				by("t2"+long[:40], "S: 535 5.7.8 "+inBase64("t2"+long[:40])+"\n")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{Address: startScript(t, tc.scripts...), Security: NoTLS, To: []string{"a@b"},
				Logins: tokens(tc.last, tc.long)})
			defer d.Close()
			r := deliverOne(t, d, deliver.Envelope{}, "x\n")
			if got := describe(r); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			} else if strings.Contains(got, inBase64("t1")) {
				t.Errorf("%q has the token", got)
			}
			e, ok := errors.AsType[*login.TokenError](r.Err)
			if ok != strings.HasPrefix(tc.want, "denied") || ok && e.Name != "me" {
				t.Errorf("%v: %+v", r.Err, e)
			}
		})
	}
}
