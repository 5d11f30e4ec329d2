package pop3

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
)

// errPin is in the error of a connection whose keys are not the pinned ones.
var errPin = errors.New("no pinned key in the server's certificates")

// PinSPKI makes cfg trust a server by its key: each pin is the SHA-256 of a
// SubjectPublicKeyInfo (RFC 7469 section 2.4). A pin replaces all other
// checks. If the server's own key is pinned, that alone suffices: neither the
// issuer, nor the dates, nor the host name matter, since people pin
// self-signed certificates. If the key of an issuer is pinned, the server's
// certificate must be signed by it and be valid for the host name: else anyone
// could send the public certificate of that issuer along with one of his own.
func PinSPKI(cfg *tls.Config, pins [][32]byte) {
	known := make(map[[32]byte]bool, len(pins))
	for _, p := range pins {
		known[p] = true
	}
	next := cfg.VerifyConnection
	cfg.InsecureSkipVerify = true
	// VerifyConnection, not VerifyPeerCertificate: the latter is not called
	// when a session is resumed.
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := checkPins(cs, known); err != nil {
			return err
		}
		if next != nil {
			return next(cs)
		}
		return nil
	}
}

func checkPins(cs tls.ConnectionState, pins map[[32]byte]bool) error {
	for i, cert := range cs.PeerCertificates {
		if !pins[spki(cert)] {
			continue
		}
		if i == 0 {
			return nil
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(cert)
		for _, c := range cs.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
			DNSName: cs.ServerName, Roots: roots, Intermediates: between,
		})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
		}
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: errPin}
}

func spki(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// Pin is the pin of cert as people write it: "sha256/" and the base64 of the
// SHA-256 of its SubjectPublicKeyInfo.
func Pin(cert *x509.Certificate) string {
	sum := spki(cert)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

// clientTLS is the configuration of one connection.
func (s *Server) clientTLS() *tls.Config {
	cfg := &tls.Config{}
	if s.TLS != nil {
		cfg = s.TLS.Clone()
	}
	cfg.ServerName = cmp.Or(cfg.ServerName, s.Host)
	if s.SmallHello {
		cfg.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return cfg
}

// stls upgrades the connection (RFC 2595 section 4). Every failure is an error:
// there is no way back to a plain session.
func (c *Client) stls(ctx context.Context) error {
	if c.caps.Known() && !c.caps.Has("STLS") {
		return c.broken(&TLSError{Host: c.s.Host, Kind: TLSNotOffered, Err: errors.New("server does not offer STLS")})
	}
	if _, err := c.command("STLS"); err != nil {
		if c.err == nil { // an -ERR
			err = c.broken(&TLSError{Host: c.s.Host, Kind: TLSNotOffered, Err: err})
		}
		return err
	}
	// What is buffered now was sent before the handshake, so an attacker may
	// have injected it: it would be read as the server's replies under TLS.
	if c.w.buffered() > 0 {
		return c.garbled("STLS", "data before the TLS handshake", nil)
	}
	return c.handshake(ctx)
}

// blockConn reads from the network in blocks. TLS by itself asks for a record of
// 16 KiB at a time: four times the system calls, in bulk data.
type blockConn struct {
	net.Conn
	in    *bufio.Reader
	heard bool // the server has sent something
}

func (c *blockConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.heard = c.heard || n > 0
	return n, err
}

// handshake puts TLS on the connection, within the connect timeout.
func (c *Client) handshake(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, c.w.deadline(c.s.connectTimeout()))
	defer cancel()
	conn, err := handshake(ctx, c.w.raw, c.s, c.w.explain)
	if err != nil {
		return c.broken(err)
	}
	state := conn.ConnectionState()
	c.tls = &state
	c.w.conn = conn
	return nil
}

// Handshake puts TLS on a connection to s that another protocol than POP3 uses. The
// error is a *TLSError.
func Handshake(ctx context.Context, conn net.Conn, s *Server) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connectTimeout())
	defer cancel()
	return handshake(ctx, conn, s, func(err error) error {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	})
}

func handshake(ctx context.Context, nc net.Conn, s *Server, explain func(error) error) (*tls.Conn, error) {
	cfg := s.clientTLS()
	raw := &blockConn{Conn: nc, in: bufio.NewReaderSize(nc, bufSize)}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		e := newTLSError(cfg.ServerName, explain(err))
		e.Unanswered = unread(err) || !raw.heard && (e.Kind == TLSClosed || e.Kind == TLSTimeout)
		return nil, e
	}
	return conn, nil
}
