package smtp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
)

// receiver is go-smtp's server with a memory: another implementation at the
// other end.
type receiver struct {
	*gosmtp.Server
	addr string
	dir  string // if set, bodies are kept here too, for another process to see

	mu   sync.Mutex
	mail []received
}

type received struct {
	from, body string
	opts       gosmtp.MailOptions
	to         []string
}

func (r *receiver) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &session{r: r}, nil }

type session struct {
	r *receiver
	m received
}

func (s *session) Reset()        { s.m = received{} }
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, o *gosmtp.MailOptions) error {
	s.m.from, s.m.opts = from, *o
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.m.to = append(s.m.to, to)
	return nil
}

// fileNumber keeps names apart: receivers share a directory.
var fileNumber atomic.Int64

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := s.m
	m.body, m.to = string(body), slices.Clone(m.to)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.mail = append(s.r.mail, m)
	if s.r.dir == "" {
		return nil
	}
	return os.WriteFile(fmt.Sprintf("%s/%d.%d", s.r.dir, time.Now().UnixNano(), fileNumber.Add(1)), body, 0o600)
}

func (s *session) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	all := s.m.to
	s.m.to = slices.DeleteFunc(slices.Clone(all), func(to string) bool { return strings.HasPrefix(to, "full") })
	err := s.Data(r)
	for _, to := range all {
		switch {
		case strings.HasPrefix(to, "full"):
			status.SetStatus(to, &gosmtp.SMTPError{Code: 452, EnhancedCode: gosmtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"})
		default:
			status.SetStatus(to, err)
		}
	}
	return err
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "alice" || password != "secret" {
			return errors.New("wrong password")
		}
		return nil
	}), nil
}

// startReceiver serves until the test ends; change may be nil.
func startReceiver(t testing.TB, network string, change func(*gosmtp.Server)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = gosmtp.NewServer(r)
	r.Domain, r.MaxLineLength, r.MaxMessageBytes = "localhost", 1<<24, 1<<26
	r.ErrorLog = discard{}
	if change != nil {
		change(r.Server)
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Serve(l) }()
	t.Cleanup(func() { _ = r.Close(); _ = l.Close(); <-done }) // Close misses a Serve that has not begun
	return r
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (r *receiver) received() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mail)
}

// selfSigned makes a certificate for localhost and the pool that trusts it.
func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// canon is what a relay makes of a message with LF line ends.
func canon(sent []byte) []byte {
	s := &wire{}
	s.encode(sent)
	s.finish()
	out, _ := bytes.CutSuffix(s.Tail, []byte(".\r\n"))
	out = bytes.ReplaceAll(out, []byte("\r\n.."), []byte("\r\n."))
	if bytes.HasPrefix(out, []byte("..")) {
		out = out[1:]
	}
	return out
}

func testConformance(t *testing.T, lmtp bool) {
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, dir string) delivertest.Target {
			r := startReceiver(t, "tcp", func(s *gosmtp.Server) { s.LMTP = lmtp })
			r.dir = dir
			return delivertest.Target{
				Deliverer: New(Options{Address: r.addr, LMTP: lmtp, To: []string{"alice@localhost"}, Security: NoTLS}),
				Read: func(t testing.TB) (out [][]byte) {
					files, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range files {
						b, err := os.ReadFile(filepath.Join(dir, f.Name()))
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, b)
					}
					return out
				},
			}
		},
		Recover:   deliver.GiveUp,
		Canon:     canon,
		InDir:     true,
		Uncertain: true,
		Ordered:   true,
	})
}

func TestConformanceSMTP(t *testing.T) { testConformance(t, false) }
func TestConformanceLMTP(t *testing.T) { testConformance(t, true) }

// deliverOne takes one message through a whole batch.
func deliverOne(t testing.TB, d *Deliverer, e deliver.Envelope, body string) deliver.Result {
	t.Helper()
	return deliverCtx(t, t.Context(), d, e, body)
}

func deliverCtx(t testing.TB, ctx context.Context, d *Deliverer, e deliver.Envelope, body string) deliver.Result {
	t.Helper()
	b, err := d.Begin(ctx)
	if err != nil {
		return deliver.Result{Err: err}
	}
	if err := b.Add(ctx, e, strings.NewReader(body)); err != nil {
		t.Fatal("add:", err)
	}
	if _, err := b.Prepare(ctx); err != nil {
		t.Fatal("prepare:", err)
	}
	return b.Publish(ctx)[0]
}
