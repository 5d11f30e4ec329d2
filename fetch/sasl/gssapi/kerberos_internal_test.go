package gssapi

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/crypto"
	krbgss "github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// inProgress is the state after Start, without a KDC.
func inProgress() *exchange {
	return &exchange{
		authzid: "alice",
		started: true,
		seq:     7,
		key:     types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: []byte("0123456789abcdef0123456789abcdef")},
	}
}

// acceptorToken wraps as a server does.
func acceptorToken(t testing.TB, key types.EncryptionKey, flags byte, payload string) []byte {
	t.Helper()
	etype, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		t.Fatal(err)
	}
	w := krbgss.WrapToken{Flags: flags, EC: uint16(etype.GetHMACBitLength() / 8), SndSeqNum: 7, Payload: []byte(payload)}
	if err := w.SetCheckSum(key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
		t.Fatal(err)
	}
	b, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rotated is a token as Heimdal sends it.
func rotated(token []byte, n int) []byte {
	body := token[16:]
	k := len(body) - n%len(body)
	out := append([]byte(nil), token[:16]...)
	binary.BigEndian.PutUint16(out[6:], uint16(n))
	return append(append(out, body[k:]...), body[:k]...)
}

func TestGSSAPIWrap(t *testing.T) {
	const offer = "\x07\x00\x10\x00"
	key := inProgress().key
	good := acceptorToken(t, key, 1, offer)
	for name, challenge := range map[string][]byte{
		"plain": good, "rotated": rotated(good, 12), "rotated further than it is long": rotated(good, 12+32),
	} {
		g := inProgress()
		if answer, err := g.Next(nil); err != nil || answer == nil || len(answer) != 0 || g.Complete() == nil {
			t.Fatalf("%s: empty challenge: %q, %v", name, answer, err)
		}
		answer, err := g.Next(challenge)
		if err != nil || g.Complete() != nil {
			t.Fatalf("%s: %v, %v", name, err, g.Complete())
		}
		var w krbgss.WrapToken
		if err := w.Unmarshal(answer, false); err != nil {
			t.Fatal(err)
		}
		if ok, err := w.Verify(key, keyusage.GSSAPI_INITIATOR_SEAL); !ok {
			t.Fatal(err)
		}
		if diff := cmp.Diff("\x01\x00\x00\x00alice", string(w.Payload)); diff != "" || w.SndSeqNum != 7 {
			t.Fatal(diff, w.SndSeqNum)
		}
		if _, err := g.Next(challenge); err == nil {
			t.Fatal("a further challenge was answered")
		}
	}
}

func TestGSSAPIHostile(t *testing.T) {
	key := inProgress().key
	other := key
	other.KeyValue = []byte("another key, as long as the first")[:32]
	good := acceptorToken(t, key, 1, "\x01\x00\x00\x00")
	damaged := append([]byte(nil), good...)
	damaged[16] ^= 2
	badEC := append([]byte(nil), good...)
	badEC[4] = 0xff
	tests := []struct {
		name      string
		challenge []byte
		want      string
	}{
		{"one byte", []byte{5}, "malformed"},
		{"header alone", good[:16], "malformed"},
		{"not a token", []byte(strings.Repeat("x", 40)), "malformed"},
		{"checksum longer than the token", badEC, "malformed"},
		{"our own token", acceptorToken(t, key, 0, "\x01\x00\x00\x00"), "malformed"},
		{"other key", acceptorToken(t, other, 1, "\x01\x00\x00\x00"), "wrong checksum"},
		{"changed", damaged, "wrong checksum"},
		{"cut", good[:20], "wrong checksum"},
		{"sealed", acceptorToken(t, key, 3, "\x01\x00\x00\x00"), "encrypted"},
		{"key not agreed on", acceptorToken(t, key, 5, "\x01\x00\x00\x00"), "key of its own"},
		{"no layer offered", acceptorToken(t, key, 1, "\x06\x00\x10\x00"), "insists on a security layer"},
		{"short offer", acceptorToken(t, key, 1, "\x01"), "has 1 bytes, not 4"},
		{"long offer", acceptorToken(t, key, 1, "\x01\x00\x00\x00x"), "has 5 bytes, not 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := inProgress()
			if tt.name == "cut" {
				// The checksum's length must fit, or it is malformed.
				tt.challenge = append([]byte(nil), tt.challenge...)
				tt.challenge[5] = 4
			}
			answer, err := g.Next(tt.challenge)
			if err == nil || answer != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("answer %q, error %v, want %q", answer, err, tt.want)
			}
			if _, err := g.Next(good); err == nil || g.Complete() == nil {
				t.Fatal("went on after an error")
			}
		})
	}
}

func TestCCachePath(t *testing.T) {
	tests := []struct{ name, want, wantErr string }{
		{"/tmp/cache", "/tmp/cache", ""},
		{"FILE:/tmp/cache", "/tmp/cache", ""},
		{`C:\cache`, `C:\cache`, ""},
		{"./a:b", "./a:b", ""},
		{"KCM:", "", "only FILE caches can be read, not KCM"},
		{"KEYRING:persistent:1000", "", "only FILE caches can be read, not KEYRING"},
		{"DIR:/run/user/1000/krb5cc", "", "only FILE caches can be read, not DIR"},
		{"MEMORY:x", "", "only FILE caches can be read, not MEMORY"},
	}
	for _, tt := range tests {
		t.Setenv("KRB5CCNAME", tt.name) // said either way
		for _, k := range []Kerberos{{CCache: tt.name}, {}} {
			got, err := k.ccachePath()
			if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%q: %q, %v", tt.name, got, err)
			}
		}
	}
	t.Setenv("KRB5CCNAME", "")
	if got, err := (Kerberos{}).ccachePath(); err != nil || !strings.HasPrefix(got, "/tmp/krb5cc_") {
		t.Errorf("default: %q, %v", got, err)
	}
}

func TestCheckTickets(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	cache := func(service string, end time.Time) *credentials.CCache {
		c := new(credentials.CCache)
		c.DefaultPrincipal.Realm = "R"
		cred := &credentials.Credential{EndTime: end}
		cred.Server.PrincipalName = types.PrincipalName{NameString: strings.Split(service, "/")}
		c.Credentials = append(c.Credentials, cred)
		return c
	}
	if err := checkTickets(cache("krbtgt/R", now.Add(time.Second)), now); err != nil {
		t.Error(err)
	}
	if err := checkTickets(cache("krbtgt/R", now), now); err == nil || err.Error() != "the ticket expired at 2026-11-23 12:00:00" {
		t.Error(err)
	}
	if err := checkTickets(cache("krbtgt/OTHER", now.Add(time.Hour)),
		now); err == nil || !strings.Contains(err.Error(), "no ticket-granting ticket") {
		t.Error(err)
	}
}

func TestKerberosMissingFiles(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "krb5.conf")
	if err := os.WriteFile(conf, []byte("[libdefaults]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("\x05\x02\x7f\xff\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		krb  Kerberos
		want string
	}{
		{"no config", Kerberos{Config: filepath.Join(dir, "none")}, "none"},
		{"no cache", Kerberos{Config: conf, CCache: filepath.Join(dir, "none")}, "no credential cache"},
		{"no principal", Kerberos{Config: conf, Keytab: bad}, "a keytab needs a principal"},
		{"no realm", Kerberos{Config: conf, Keytab: bad, Principal: "alice"}, "has no realm"},
		{"no keytab", Kerberos{Config: conf, Keytab: filepath.Join(dir, "none"), Principal: "a@R"}, "none"},
		{"damaged keytab", Kerberos{Config: conf, Keytab: bad, Principal: "a@R"}, "keytab " + bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := New("", tt.krb, sasl.Channel{Host: "localhost"}).Start()
			if err == nil || !strings.HasPrefix(err.Error(), "kerberos: ") || !strings.Contains(err.Error(), tt.want) {
				t.Fatal(err)
			}
		})
	}
}

func TestKerberosError(t *testing.T) {
	err := kerberosError(errors.New("KDC says\n\x1b[31mKRB_AP_ERR_SKEW"))
	if err.Error() != "KDC says  [31mKRB_AP_ERR_SKEW" {
		t.Errorf("%q", err)
	}
	if e := (*TicketError)(nil); !errors.As(err, &e) || e.Problem != ClockSkew {
		t.Errorf("%#v", err)
	}
}

// FuzzChallenges feeds two challenges to an exchange: no panic, and an answer or
// an error, never both.
func FuzzChallenges(f *testing.F) {
	token := acceptorToken(f, inProgress().key, 1, "\x01\x00\x00\x00")
	f.Add(token, rotated(token, 12))
	f.Add([]byte{}, token)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		g := inProgress()
		for _, c := range [][]byte{first, second} {
			answer, err := g.Next(c)
			if (err == nil) == (answer == nil) {
				t.Fatalf("answer %q with error %v", answer, err)
			}
		}
		_ = g.Complete()
	})
}
