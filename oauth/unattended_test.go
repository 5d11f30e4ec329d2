package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

func writePEM(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	var data []byte
	for _, b := range blocks {
		data = append(data, pem.EncodeToMemory(b)...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func keyBlock(t *testing.T, key any) *pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

func certBlock(t *testing.T, key crypto.Signer) *pem.Block {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "CERTIFICATE", Bytes: der}
}

// verify checks a JWT's signature and returns header and claims.
func verify(t *testing.T, jwt string, pub crypto.PublicKey) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	raw := make([][]byte, 3)
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	ok := false
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], raw[2]) == nil
	case *ecdsa.PublicKey:
		ok = ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:]))
	}
	if !ok {
		t.Error("the signature is wrong")
	}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &claims) != nil {
		t.Error("not JSON")
	}
	return header, claims
}

func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RS256": r, "ES256": e}
}

func TestClientCredentialsWithCertificate(t *testing.T) {
	for alg, key := range keys(t) {
		t.Run(alg, func(t *testing.T) {
			f := newFake(t)
			conf := f.config()
			conf.Flow = provider.ClientCredentials
			conf.Certificate = writePEM(t, "both.pem", certBlock(t, key), keyBlock(t, key))
			src := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
			wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
			wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
			req := f.seen("client_credentials")[0]
			if req.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || req.Get("scope") != "mail" {
				t.Errorf("request %v", req)
			}
			header, claims := verify(t, req.Get("client_assertion"), key.Public())
			if header["alg"] != alg || header["x5t"] == "" || header["x5t#S256"] == "" {
				t.Errorf("header %v", header)
			}
			if claims["iss"] != clientID || claims["sub"] != clientID || claims["aud"] != conf.TokenURL || claims["jti"] == "" {
				t.Errorf("claims %v", claims)
			}
			if now := float64(time.Now().Unix()); claims["nbf"].(float64) > now || claims["exp"].(float64) < now {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func TestUnusableKeys(t *testing.T) {
	all := keys(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}
	for name, blocks := range map[string][]*pem.Block{
		"other key": {certBlock(t, all["RS256"]), keyBlock(t, all["ES256"])},
		"no key":    {certBlock(t, all["RS256"])},
		"no cert":   {keyBlock(t, all["RS256"])},
		"P-384":     {certBlock(t, p384), keyBlock(t, p384)},
		"Ed25519":   {certBlock(t, ed), keyBlock(t, ed)},
		"encrypted": {certBlock(t, all["RS256"]), encrypted},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			conf := f.config()
			conf.Flow, conf.Certificate = provider.ClientCredentials, writePEM(t, "both.pem", blocks...)
			_, err := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work").Token(t.Context())
			wantError(t, err, KindConfig)
		})
	}
}

func TestClientCredentialsWithSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		conf := f.config()
		conf.Flow = provider.ClientCredentials
		secret := "wrong-SECRET"
		conf.Secret = func(context.Context) (string, error) { return secret, nil }
		src := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
		_, err := src.Token(t.Context())
		wantError(t, err, KindConfig)
		secret = clientSecret
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		if st, err := src.Status(); err != nil || st.NeedsLogin {
			t.Errorf("%+v, %v", st, err)
		}
		time.Sleep(time.Hour)
		wantToken(t, "at-SECRET-2")(src.Token(t.Context()))
		wantToken(t, "at-SECRET-3")(src.Refresh(t.Context(), "at-SECRET-2"))
		if err := src.Login(t.Context(), quietUI{}, LoginOptions{}); err != nil {
			t.Error(err)
		}
		f.fail(refuse(400, "invalid_grant", ""))
		_, err = src.Refresh(t.Context(), "at-SECRET-4")
		wantError(t, err, KindConfig) // nobody can log in
	})
}

func TestServiceAccount(t *testing.T) {
	key := keys(t)["RS256"]
	f := newFake(t)
	write := func(v map[string]string) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := f.config()
	tokenURL := conf.TokenURL
	conf.TokenURL, conf.ClientID = "", ""
	conf.Flow, conf.Subject = provider.ServiceAccount, "alice@example.org"
	good := map[string]string{"type": "service_account", "client_email": "robot@example.org", "private_key_id": "k1", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(keyBlock(t, key)))}
	conf.ServiceAccount = write(good)
	src := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
	wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
	req := f.seen("urn:ietf:params:oauth:grant-type:jwt-bearer")[0]
	header, claims := verify(t, req.Get("assertion"), key.Public())
	if header["kid"] != "k1" || claims["iss"] != "robot@example.org" || claims["sub"] != "alice@example.org" ||
		claims["aud"] != tokenURL || claims["scope"] != "mail" || req.Has("client_id") || req.Has("scope") {
		t.Errorf("header %v, claims %v, request %v", header, claims, req)
	}
	conf.Subject = "bob@example.org" // the stored token is not his
	src = NewSource(mustNew(t, conf), src.store, "work")
	wantToken(t, "at-SECRET-2")(src.Token(t.Context()))
	for name, change := range map[string]map[string]string{
		"type": {"type": "authorized_user"}, "key": {"private_key": "-----SECRET"}, "http": {"token_uri": "http://example.org/"},
	} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		for k, v := range change {
			bad[k] = v
		}
		conf.ServiceAccount = write(bad)
		_, err := NewSource(mustNew(t, conf), NewStore(t.TempDir()), name).Token(t.Context())
		wantError(t, err, KindConfig)
	}
}
