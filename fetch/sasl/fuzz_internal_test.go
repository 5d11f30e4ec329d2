package sasl

import (
	"bytes"
	"testing"
)

// FuzzChallenges feeds two challenges to every mechanism: no panic, nothing
// after an error passes as the server's proof, and no secret in an error.
func FuzzChallenges(f *testing.F) {
	for _, v := range vectors() {
		f.Add([]byte(v.server1), []byte(v.server2))
		f.Add([]byte(v.server2), []byte("v="))
	}
	f.Add([]byte(digestChallengeRFC), []byte(digestRspauthRFC))
	f.Add([]byte(`realm="a\"b",nonce="\\",algorithm=md5-sess,qop="auth-int,auth"`), []byte("rspauth="))
	f.Add([]byte(""), []byte(`{"status":"401","schemes":"bearer","scope":"x"}`))
	f.Add([]byte("Username:"), []byte("Password:"))
	f.Add([]byte("e=invalid-proof"), []byte("e="))
	const secret = "pencil-s3cret"
	f.Fuzz(func(t *testing.T, first, second []byte) {
		// Thousands of iterations of a hash a round are not what is tested.
		if n := bytes.LastIndex(first, []byte("i=")); n >= 0 && len(first)-n > 6 {
			t.Skip()
		}
		ch := Channel{Host: "elwood.innosoft.com", Port: 995}
		scram := NewSCRAM("SCRAM-SHA-256", "user", secret, ch).(*scramClient)
		scram.nonce = vectors()[1].nonce
		digest := digestRFC()
		digest.password = secret
		mechs := []Mechanism{
			NewPlain("", "user", secret), NewLogin("user", secret), NewCRAMMD5("user", secret), digest, scram,
			NewExternal("", true), NewXOAUTH2("user", secret), NewOAuthBearer("user", secret, ch),
		}
		for _, m := range mechs {
			if _, _, err := m.Start(); err != nil {
				t.Fatal(err)
			}
			drive(t, m, secret, first, second)
		}
		if digest.done || scram.done {
			t.Fatal("a proof was accepted that nobody could make")
		}
	})
}

func drive(t *testing.T, m Mechanism, secret string, challenges ...[]byte) {
	for _, c := range challenges {
		answer, err := m.Next(c)
		if err != nil && (answer != nil || bytes.Contains([]byte(err.Error()), []byte(secret))) {
			t.Fatalf("%T: answer %q with error %v", m, answer, err)
		}
		if err == nil && answer == nil {
			t.Fatalf("%T: nil answer", m)
		}
	}
	if e, ok := m.(Explainer); ok {
		if err := e.Explain(); err != nil && bytes.ContainsAny([]byte(err.Error()), "\x00\x1b\r\n") {
			t.Fatalf("%T: explained as %q", m, err)
		}
	}
	if c, ok := m.(Completer); ok {
		_ = c.Complete()
	}
}
