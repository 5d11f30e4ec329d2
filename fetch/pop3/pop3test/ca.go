package pop3test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is a certificate authority for one test. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	via  [][]byte // the certificates from its own up to below the root's
}

// Leaf says what an issued certificate holds. The zero value is valid for an
// hour past and a day to come, for no name.
type Leaf struct {
	// Names are DNS names and IP addresses. CommonName is the subject.
	Names      []string
	CommonName string
	// NotBefore and NotAfter replace the usual times unless zero.
	NotBefore, NotAfter time.Time
	// Client makes a client certificate instead of a server's. SelfSigned
	// leaves the authority out.
	Client, SelfSigned bool
}

// NewCA makes an authority with a fresh ECDSA P-256 key.
func NewCA() *CA {
	key := newKey()
	tmpl := authority("pop3test root")
	return &CA{cert: sign(tmpl, tmpl, key, key), key: key}
}

// Intermediate makes an authority whose certificate this one signs: what it
// issues brings that certificate along. A client trusts the root of c.
func (c *CA) Intermediate(name string) *CA {
	key := newKey()
	cert := sign(authority(name), c.cert, key, c.key)
	return &CA{cert: cert, key: key, via: append([][]byte{cert.Raw}, c.via...)}
}

// authority is what the certificate of an authority holds.
func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:     true, BasicConstraintsValid: true,
	}
}

// Leaf issues a server certificate for DNS names and IP addresses.
func (c *CA) Leaf(names ...string) tls.Certificate { return c.Issue(Leaf{Names: names}) }

// Expired issues a server certificate that ended an hour ago.
func (c *CA) Expired(names ...string) tls.Certificate {
	return c.Issue(Leaf{Names: names, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
}

// NotYetValid issues a server certificate that begins in an hour.
func (c *CA) NotYetValid(names ...string) tls.Certificate {
	return c.Issue(Leaf{Names: names, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(48 * time.Hour)})
}

// WrongHost issues a server certificate for another host.
func (c *CA) WrongHost() tls.Certificate { return c.Leaf("other.example") }

// SelfSigned makes a server certificate that no authority signed.
func (c *CA) SelfSigned(names ...string) tls.Certificate {
	return c.Issue(Leaf{Names: names, SelfSigned: true})
}

// Client issues a client certificate whose common name is user.
func (c *CA) Client(user string) tls.Certificate {
	return c.Issue(Leaf{CommonName: user, Client: true})
}

// Issue makes a certificate and its key.
func (c *CA) Issue(l Leaf) tls.Certificate {
	key := newKey()
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: l.CommonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if l.Client {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if !l.NotBefore.IsZero() {
		tmpl.NotBefore = l.NotBefore
	}
	if !l.NotAfter.IsZero() {
		tmpl.NotAfter = l.NotAfter
	}
	for _, n := range l.Names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	parent, signer, via := c.cert, c.key, c.via
	if l.SelfSigned {
		parent, signer, via = tmpl, key, nil
	}
	cert := sign(tmpl, parent, key, signer)
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, via...), PrivateKey: key, Leaf: cert}
}

// RootPEM is the authority's certificate.
func (c *CA) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// CertPool holds the authority's certificate alone.
func (c *CA) CertPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// ClientTLS is a client's configuration that trusts this authority alone.
func (c *CA) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: c.CertPool(), ServerName: "localhost"}
}

// WriteRoot writes the authority's certificate to dir/ca.pem.
func (c *CA) WriteRoot(dir string) (path string, err error) {
	path = filepath.Join(dir, "ca.pem")
	return path, os.WriteFile(path, c.RootPEM(), 0o600)
}

// WritePEM writes cert to dir/name.pem and its key to dir/name.key.
func WritePEM(dir, name string, cert tls.Certificate) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return "", "", err
	}
	var chain []byte
	for _, c := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	if err := os.WriteFile(certFile, chain, 0o600); err != nil {
		return "", "", err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return certFile, keyFile, os.WriteFile(keyFile, key, 0o600)
}

// Pin is the certificate's pin as the configuration takes it:
// "sha256/BASE64" of its public key information.
func Pin(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return n
}

func sign(tmpl, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

// must is for what fails only on a broken machine; see the package comment.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("pop3test: %v", err))
	}
}
