package gssapi

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// sent is a KPOP login whose request is under way.
func sent() *mutual {
	m := &mutual{session: inProgress().key, waits: true}
	m.auth.CTime, m.auth.Cusec = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), 7
	return m
}

// apRep is a server's answer to a request of that time.
func apRep(t testing.TB, key types.EncryptionKey, at time.Time, usec int) []byte {
	t.Helper()
	part, err := asn1.Marshal(messages.EncAPRepPart{CTime: at, Cusec: usec})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart), key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		t.Fatal(err)
	}
	return asn1tools.AddASNAppTag(b, asnAppTag.APREP)
}

func TestKPOPProof(t *testing.T) {
	m := sent()
	other := m.session
	other.KeyValue = []byte("another key, as long as the first")[:32]
	at, good := m.auth.CTime, apRep(t, m.session, m.auth.CTime, 7)
	refused := messages.NewKRBError(types.PrincipalName{NameString: []string{"pop", "x"}}, "R", ServerSkew, "late\n\x1b[31m")
	krbError, err := refused.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		message []byte
		want    string
	}{
		"good":           {good, ""},
		"other time":     {apRep(t, m.session, at.Add(time.Second), 7), "another request"},
		"other fraction": {apRep(t, m.session, at, 8), "another request"},
		"other key":      {apRep(t, other, at, 7), "could not read the ticket"},
		"cut":            {good[:len(good)-1], "malformed"},
		"empty":          {nil, "malformed"},
		"refusal":        {krbError, "KRB_AP_ERR_SKEW"},
	} {
		m := sent()
		answer, err := m.Next(tt.message)
		if answer != nil || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := m.Next(good); err == nil {
			t.Errorf("%s: took a second answer", name)
		}
		if e := (*RefusedError)(nil); errors.As(err, &e) && (e.Code != ServerSkew || strings.ContainsAny(e.Text, "\n\x1b")) {
			t.Errorf("%q", e.Text)
		}
	}
	if _, err := NewKPOP(Kerberos{}, sasl.Channel{}).Next(good); err == nil {
		t.Error("took an answer before the request")
	}
}

// FuzzKPOPAnswer: no panic, and nothing is proof but this request's time under the session
// key. What is sealed differs from one process to the next.
func FuzzKPOPAnswer(f *testing.F) {
	m := sent()
	good := apRep(f, m.session, m.auth.CTime, 7)
	f.Add(good)
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := sent().Next(b); err != nil {
			return
		}
		var answer messages.APRep
		var part messages.EncAPRepPart
		if err := answer.Unmarshal(b); err != nil {
			t.Fatalf("accepted %q: %v", b, err)
		}
		plain, err := crypto.DecryptEncPart(answer.EncPart, m.session, keyusage.AP_REP_ENCPART)
		if err == nil {
			err = part.Unmarshal(plain)
		}
		if err != nil || !part.CTime.Equal(m.auth.CTime) || part.Cusec != 7 {
			t.Fatalf("accepted %q: %v, %+v", b, err, part)
		}
	})
}
