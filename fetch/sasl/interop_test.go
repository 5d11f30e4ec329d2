package sasl_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// jwt makes a token for a user, as an authorisation server would (HS256).
func (d *dovecot) jwt(user string, pad int, expires time.Time) string {
	enc := base64.RawURLEncoding.EncodeToString
	token := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc(fmt.Appendf(nil,
		`{"sub":%q,"iat":%d,"exp":%d,"pad":%q}`, user, time.Now().Add(-time.Hour).Unix(), expires.Unix(), strings.Repeat("x", pad)))
	mac := hmac.New(sha256.New, d.secret)
	mac.Write([]byte(token))
	return token + "." + enc(mac.Sum(nil))
}

func TestDovecot(t *testing.T) {
	d := startDovecot(t, nil)
	later := time.Now().Add(time.Hour)
	mechs := []struct {
		name string
		make func(ch sasl.Channel) sasl.Mechanism
	}{
		{"PLAIN", func(sasl.Channel) sasl.Mechanism { return sasl.NewPlain("", "alice", "sesame") }},
		{"LOGIN", func(sasl.Channel) sasl.Mechanism { return sasl.NewLogin("alice", "sesame") }},
		{"CRAM-MD5", func(sasl.Channel) sasl.Mechanism { return sasl.NewCRAMMD5("alice", "sesame") }},
		{"DIGEST-MD5", func(ch sasl.Channel) sasl.Mechanism { return sasl.NewDIGESTMD5("alice", "sesame", ch) }},
		{"SCRAM-SHA-1", func(ch sasl.Channel) sasl.Mechanism { return sasl.NewSCRAM("SCRAM-SHA-1", "alice", "sesame", ch) }},
		{"SCRAM-SHA-256", func(ch sasl.Channel) sasl.Mechanism { return sasl.NewSCRAM("SCRAM-SHA-256", "alice", "sesame", ch) }},
		{"EXTERNAL", func(sasl.Channel) sasl.Mechanism { return sasl.NewExternal("", true) }},
		{"XOAUTH2", func(sasl.Channel) sasl.Mechanism { return sasl.NewXOAUTH2("alice", d.jwt("alice", 0, later)) }},
		{"XOAUTH2 with a long token", func(sasl.Channel) sasl.Mechanism { return sasl.NewXOAUTH2("alice", d.jwt("alice", 3500, later)) }},
		{"OAUTHBEARER", func(ch sasl.Channel) sasl.Mechanism {
			return sasl.NewOAuthBearer("alice", d.jwt("alice", 0, later), ch)
		}},
	}
	for _, tt := range mechs {
		t.Run(tt.name, func(t *testing.T) {
			conn, r := d.dial(t, tt.name == "EXTERNAL")
			mustLogin(t, conn, r, tt.make(d.channel(conn)))
		})
	}
	t.Run("refused tokens", func(t *testing.T) {
		expired := d.jwt("alice", 0, time.Now().Add(-time.Minute))
		conn, r := d.dial(t, false)
		for _, m := range []sasl.Mechanism{sasl.NewXOAUTH2("alice", expired), sasl.NewOAuthBearer("alice", expired, d.channel(conn))} {
			last, err := auth(t, conn, r, m)
			if err != nil || !strings.HasPrefix(last, "-ERR") {
				t.Fatalf("%s, %v", last, err)
			}
			var refused *sasl.TokenError
			if !errors.As(m.(sasl.Explainer).Explain(), &refused) || refused.Status == "" {
				t.Errorf("explained as %v", m.(sasl.Explainer).Explain())
			}
		}
		// The dialogue is still in step.
		mustLogin(t, conn, r, sasl.NewPlain("", "alice", "sesame"))
	})
	t.Run("wrong passwords", func(t *testing.T) {
		conn, r := d.dial(t, false)
		for _, m := range []sasl.Mechanism{
			sasl.NewSCRAM("SCRAM-SHA-256", "alice", "wrong", d.channel(conn)), sasl.NewCRAMMD5("alice", "wrong"),
		} {
			last, err := auth(t, conn, r, m)
			if err != nil || !strings.HasPrefix(last, "-ERR [AUTH]") {
				t.Fatalf("%s, %v", last, err)
			}
		}
	})
}
