// Package smtptest has relays for tests: go-smtp's server, which keeps what it
// received, and Postfix's smtp-sink.
package smtptest

import (
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// Relay is go-smtp's server: it keeps what it accepted, by recipient and subject.
type Relay struct {
	Addr string
	LMTP bool

	mu     sync.Mutex
	rcpt   func(to string) error                 // nil: it accepts everybody
	data   func(to string, message string) error // nil: it accepts everything
	token  func(user, token string) bool         // nil: nobody logs in
	copies map[string]int
	bodies []string // with LF line ends
}

// StartRelay serves on a free port of the loopback interface until the test ends.
func StartRelay(t testing.TB, lmtp bool) *Relay {
	t.Helper()
	r := &Relay{LMTP: lmtp, copies: make(map[string]int)}
	s := gosmtp.NewServer(r)
	s.LMTP, s.Domain, s.ErrorLog, s.AllowInsecureAuth = lmtp, "localhost", quiet{}, true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Addr = l.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() { _ = s.Close(); _ = l.Close(); <-ended }) // Close misses a Serve that has not begun
	return r
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Answer changes how the relay answers. An LMTP relay calls data for each
// recipient, an SMTP relay once, with the first one.
func (r *Relay) Answer(rcpt func(to string) error, data func(to, message string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rcpt, r.data = rcpt, data
}

// Tokens makes it want a login with OAUTHBEARER, and accept the tokens that good accepts.
func (r *Relay) Tokens(good func(user, token string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token = good
}

// Copies returns how often it accepted each message, by "recipient subject".
func (r *Relay) Copies() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.copies)
}

// Bodies returns the messages that it accepted, with LF line ends.
func (r *Relay) Bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// NewSession makes Relay a gosmtp.Backend.
func (r *Relay) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &session{r: r}, nil }

type session struct {
	r      *Relay
	to     []string
	authed bool
}

func (s *session) Reset()        { s.to = nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(string, *gosmtp.MailOptions) error {
	if len(s.AuthMechanisms()) > 0 && !s.authed {
		return gosmtp.ErrAuthRequired
	}
	return nil
}

// AuthMechanisms and Auth make session a gosmtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.token == nil {
		return nil
	}
	return []string{sasl.OAuthBearer}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
		if s.authed = s.r.token(o.Username, o.Token); !s.authed {
			return &sasl.OAuthBearerError{Status: "invalid_token"}
		}
		return nil
	}), nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.rcpt != nil {
		if err := s.r.rcpt(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err == nil {
		err = s.r.accept(s.to[0], string(body))
	}
	for _, to := range s.to[1:] {
		if err == nil {
			s.r.keep(to, string(body))
		}
	}
	return err
}

func (s *session) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	body, err := io.ReadAll(r)
	for _, to := range s.to {
		if err == nil {
			status.SetStatus(to, s.r.accept(to, string(body)))
		}
	}
	return err
}

func (r *Relay) accept(to, body string) error {
	r.mu.Lock()
	data := r.data
	r.mu.Unlock()
	if data != nil {
		if err := data(to, body); err != nil {
			return err
		}
	}
	r.keep(to, body)
	return nil
}

func (r *Relay) keep(to, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.copies[to+" "+Subject(body)]++
	r.bodies = append(r.bodies, strings.ReplaceAll(body, "\r\n", "\n"))
}

// Subject returns the Subject of a message with any line ends.
func Subject(message string) string {
	_, rest, _ := strings.Cut("\n"+message, "\nSubject: ")
	subject, _, _ := strings.Cut(rest, "\n")
	return strings.TrimRight(subject, "\r")
}

// Reply is an answer of a relay.
func Reply(code int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.NoEnhancedCode, Message: text}
}

// OnSubject answers with err to the messages with these subjects.
func OnSubject(err error, subjects ...string) func(string, string) error {
	return func(_, body string) error {
		if slices.Contains(subjects, Subject(body)) {
			return err
		}
		return nil
	}
}
