package sasl_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/xdg-go/scram"
)

// selfSigned makes a certificate for localhost, and for a client named alice.
func selfSigned(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// handshake makes a real TLS connection and gives both ends' states.
func handshake(t *testing.T, cert tls.Certificate, version uint16) (client, server tls.ConnectionState) {
	t.Helper()
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	left, right := net.Pipe()
	defer left.Close()
	defer right.Close()
	c := tls.Client(left, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version})
	s := tls.Server(right, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
	done := make(chan error)
	go func() {
		err := s.Handshake()
		if err == nil {
			// TLS 1.3 sends tickets after the handshake: both ends must read.
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s.ConnectionState()
}

// withoutExtendedMasterSecret is a state from which nothing can be exported, as
// with an old TLS 1.2 server; Go's own server always has the extension.
func withoutExtendedMasterSecret(s tls.ConnectionState) tls.ConnectionState {
	return tls.ConnectionState{Version: s.Version, PeerCertificates: s.PeerCertificates}
}

// newScramServer knows user "alice" with password "sesame".
func newScramServer(t *testing.T, hash scram.HashGeneratorFcn) *scram.Server {
	t.Helper()
	c, err := hash.NewClient("alice", "sesame", "")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	s, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != "alice" {
			return scram.StoredCredentials{}, errors.New("unknown user")
		}
		return stored, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// converse runs the whole exchange. It returns the client's first message, and
// the first error of either side.
func converse(m sasl.Mechanism, conv *scram.ServerConversation) (first string, err error) {
	_, msg, err := m.Start()
	first = string(msg)
	for err == nil && !conv.Done() {
		var challenge string
		// The server's error-value is sent to the client, as servers do.
		if challenge, err = conv.Step(string(msg)); challenge == "" {
			break
		}
		if msg, err = m.Next([]byte(challenge)); err != nil {
			break
		}
	}
	if err == nil {
		err = m.(sasl.Completer).Complete()
	}
	if err == nil && !conv.Valid() {
		err = errors.New("server is not content")
	}
	return first, err
}

func TestSCRAMBinding(t *testing.T) {
	cert := selfSigned(t, ecKey(t))
	client13, server13 := handshake(t, cert, tls.VersionTLS13)
	client12, server12 := handshake(t, cert, tls.VersionTLS12)
	exporter := func(s tls.ConnectionState) scram.ChannelBinding {
		b, err := scram.NewTLSExporterBinding(&s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The server's view of its own certificate is the client's of its peer.
	endpoint, err := scram.NewTLSServerEndpointBinding(&client12)
	if err != nil {
		t.Fatal(err)
	}
	old := withoutExtendedMasterSecret(client12)
	tests := []struct {
		name    string
		state   *tls.ConnectionState
		binding scram.ChannelBinding
		want    string // the start of the first message; empty: refused
	}{
		{"TLS 1.3", &client13, exporter(server13), "p=tls-exporter,,n=alice,"},
		{"TLS 1.2 with extended master secret", &client12, exporter(server12), "p=tls-exporter,,n=alice,"},
		{"TLS 1.2 without", &old, endpoint, "p=tls-server-end-point,,n=alice,"},
		{"other connection", &client13, exporter(server12), ""},
	}
	for _, hash := range []struct {
		name string
		fn   scram.HashGeneratorFcn
	}{{"SCRAM-SHA-1-PLUS", scram.SHA1}, {"SCRAM-SHA-256-PLUS", scram.SHA256}} {
		server := newScramServer(t, hash.fn)
		for _, tt := range tests {
			t.Run(hash.name+" "+tt.name, func(t *testing.T) {
				m := sasl.NewSCRAM(hash.name, "alice", "sesame", sasl.Channel{TLS: tt.state})
				first, err := converse(m, server.NewConversationWithChannelBindingRequired(tt.binding))
				if (err == nil) != (tt.want != "") {
					t.Fatalf("error %v", err)
				}
				if !strings.HasPrefix(first, tt.want) {
					t.Fatalf("first message %q", first)
				}
			})
		}
	}
}

func TestSCRAMFlag(t *testing.T) {
	cert := selfSigned(t, ecKey(t))
	client13, server13 := handshake(t, cert, tls.VersionTLS13)
	ed12, _ := handshake(t, selfSigned(t, edKey(t)), tls.VersionTLS12)
	unbindable := withoutExtendedMasterSecret(ed12)
	binding, err := scram.NewTLSExporterBinding(&server13)
	if err != nil {
		t.Fatal(err)
	}
	server := newScramServer(t, scram.SHA256)
	plain, both := []string{"PLAIN", "SCRAM-SHA-256"}, []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
	tests := []struct {
		name    string
		ch      sasl.Channel
		bound   bool // the server can bind
		want    string
		wantErr string
	}{
		{"no TLS", sasl.Channel{Offered: plain}, false, "n,,", ""},
		{"could bind, not offered", sasl.Channel{TLS: &client13, Offered: plain}, false, "y,,", ""},
		{"could bind, offer cut by an attacker", sasl.Channel{TLS: &client13, Offered: plain}, true, "y,,", "took the -PLUS"},
		{"could bind, offered, named without", sasl.Channel{TLS: &client13, Offered: both}, true, "n,,", ""},
		{"could bind, nothing announced", sasl.Channel{TLS: &client13}, false, "n,,", ""},
		{"certificate without binding", sasl.Channel{TLS: &unbindable, Offered: plain}, false, "n,,", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conv := server.NewConversation()
			if tt.bound {
				conv = server.NewConversationWithChannelBinding(binding)
			}
			m := sasl.NewSCRAM("SCRAM-SHA-256", "alice", "sesame", tt.ch)
			first, err := converse(m, conv)
			if !strings.HasPrefix(first, tt.want) {
				t.Fatalf("first message %q, want %q", first, tt.want)
			}
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
	_, _, err = sasl.NewSCRAM("SCRAM-SHA-256-PLUS", "a", "b", sasl.Channel{TLS: &unbindable}).Start()
	if !errors.Is(err, sasl.ErrNoBinding) {
		t.Fatalf("binding to an Ed25519 certificate: %v", err)
	}
}

func TestSCRAMWrongPassword(t *testing.T) {
	m := sasl.NewSCRAM("SCRAM-SHA-256", "alice", "hunter2", sasl.Channel{})
	_, err := converse(m, newScramServer(t, scram.SHA256).NewConversation())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "wrong user name or password") {
		t.Fatalf("error %v", err)
	}
}
