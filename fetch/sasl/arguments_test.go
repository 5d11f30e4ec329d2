package sasl_test

import (
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// TestRefusedArguments: every mechanism names the field, and quotes no secret.
func TestRefusedArguments(t *testing.T) {
	ch := sasl.Channel{Host: "pop.example.org", Port: 995}
	badUser := map[string]sasl.Mechanism{
		"LOGIN":       sasl.NewLogin("a\rb", "s3cret"),
		"CRAM-MD5":    sasl.NewCRAMMD5("a\rb", "s3cret"),
		"DIGEST-MD5":  sasl.NewDIGESTMD5("a\rb", "s3cret", ch),
		"SCRAM":       sasl.NewSCRAM("SCRAM-SHA-256", "a\rb", "s3cret", ch),
		"XOAUTH2":     sasl.NewXOAUTH2("a\rb", "s3cret"),
		"OAUTHBEARER": sasl.NewOAuthBearer("a\rb", "s3cret", ch),
	}
	badSecret := map[string]sasl.Mechanism{
		"LOGIN":       sasl.NewLogin("alice", "s3cret\x01x"),
		"CRAM-MD5":    sasl.NewCRAMMD5("alice", "s3cret\x01x"),
		"DIGEST-MD5":  sasl.NewDIGESTMD5("alice", "s3cret\x01x", ch),
		"SCRAM":       sasl.NewSCRAM("SCRAM-SHA-1", "alice", "s3cret\x01x", ch),
		"XOAUTH2":     sasl.NewXOAUTH2("alice", "s3cret\x01x"),
		"OAUTHBEARER": sasl.NewOAuthBearer("alice", "s3cret\x01x", ch),
	}
	verify := func(mechs map[string]sasl.Mechanism, fields ...string) {
		for name, m := range mechs {
			_, initial, err := m.Start()
			if err == nil || initial != nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %q, %v", name, initial, err)
				continue
			}
			found := false
			for _, f := range fields {
				found = found || strings.HasPrefix(err.Error(), f+" holds a control character")
			}
			if !found {
				t.Errorf("%s: the error names no field: %v", name, err)
			}
		}
	}
	verify(badUser, "user name")
	verify(badSecret, "password", "token")
}
