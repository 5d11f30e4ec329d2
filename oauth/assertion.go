package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"
)

// assertionLife is how long a signed assertion is valid; Google's limit is an
// hour. assertionSlack allows for a clock that is a little ahead.
const (
	assertionLife  = 10 * time.Minute
	assertionSlack = time.Minute
)

// addAssertion adds the client assertion (RFC 7523 section 2.2) that a
// certificate stands for.
func (c *Client) addAssertion(params url.Values) error {
	if c.conf.Certificate == "" {
		return nil
	}
	assertion, err := c.clientAssertion(time.Now())
	if err != nil {
		return &Error{Kind: KindConfig, Op: "certificate", Provider: c.preset.Name, Err: err}
	}
	params.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	params.Set("client_assertion", assertion)
	return nil
}

func (c *Client) clientAssertion(now time.Time) (string, error) {
	cert, err := readCertificate(c.conf.Certificate)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.conf.Certificate, err)
	}
	key, err := readKey(c.conf.Key)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.conf.Key, err)
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(cert.PublicKey) {
		return "", errors.New("the key does not belong to the certificate")
	}
	s1, s256 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
	enc := base64.RawURLEncoding
	return signJWT(key, map[string]any{"x5t": enc.EncodeToString(s1[:]), "x5t#S256": enc.EncodeToString(s256[:])}, map[string]any{
		"iss": c.conf.ClientID, "sub": c.conf.ClientID, "aud": c.conf.TokenURL, "jti": rand.Text(),
		"nbf": now.Add(-assertionSlack).Unix(), "iat": now.Add(-assertionSlack).Unix(), "exp": now.Add(assertionLife).Unix(),
	})
}

// signJWT signs claims (RFC 7515) with RS256 or ES256, as the key is.
func signJWT(key crypto.Signer, header, claims map[string]any) (string, error) {
	header["typ"] = "JWT"
	switch k := key.(type) {
	case *rsa.PrivateKey:
		header["alg"] = "RS256"
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("of elliptic curves only P-256 can sign")
		}
		header["alg"] = "ES256"
	default:
		return "", errors.New("only RSA and P-256 keys can sign")
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(h) + "." + enc.EncodeToString(b)
	sum := sha256.Sum256([]byte(text))
	sig, err := signature(key, sum[:])
	return text + "." + enc.EncodeToString(sig), err
}

func signature(key crypto.Signer, sum []byte) ([]byte, error) {
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return key.Sign(rand.Reader, sum, crypto.SHA256)
	}
	// RFC 7518 section 3.4: R and S of 32 bytes each, not ASN.1.
	r, s, err := ecdsa.Sign(rand.Reader, k, sum)
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cause(err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("no PEM certificate in it")
}

func readKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cause(err)
	}
	return parseKey(data)
}

// parseKey finds the first private key in PEM data.
func parseKey(data []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			err = errors.New("the key is encrypted: store it without a passphrase, readable by its owner only")
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, errors.New("the key cannot sign")
	}
	return nil, errors.New("no PEM private key in it")
}

// cause is the error of a file without its path, which the caller adds.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
