package sasl

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// The iteration counts that we compute. RFC 5802 section 5.1 and RFC 7677
// section 4 want at least 4096; fewer make a stolen exchange cheap to guess. The
// upper bound is about a second of work: a server may otherwise ask for hours.
const (
	minIterations = 4096
	maxIterations = 2_000_000
)

// scramClient drives xdg-go/scram and checks what that leaves open.
type scramClient struct {
	name           string // as announced: SCRAM-SHA-256-PLUS
	user, password string
	ch             Channel
	nonce          string // ours; a field so that tests can set it
	conv           *scram.ClientConversation
	step           int
	done           bool
	failure        error
}

// NewSCRAM is SCRAM (RFC 5802, RFC 7677): both sides prove that they know the
// password, without showing it. The name is one of Method.Names of SCRAMSHA1
// and SCRAMSHA256. The -PLUS forms bind the proof to the TLS connection, and
// Start fails if that cannot be done: see ErrNoBinding.
//
// It implements Completer: without the server's signature there is no success.
func NewSCRAM(name, user, password string, ch Channel) Mechanism {
	return &scramClient{name: name, user: user, password: password, ch: ch, nonce: rand.Text()}
}

func (s *scramClient) Start() (string, []byte, error) {
	err := check(field{name: "user name", value: s.user}, field{name: "password", value: s.password})
	if err != nil {
		return "", nil, err
	}
	client, err := s.client()
	if err != nil {
		return "", nil, err
	}
	client = client.WithMinIterations(minIterations).WithNonceGenerator(func() string { return s.nonce })
	if s.conv, err = s.conversation(client); err != nil {
		return "", nil, err
	}
	first, err := s.conv.Step("")
	if err != nil {
		return "", nil, s.fail(errors.New("first message cannot be made"))
	}
	return s.name, []byte(first), nil
}

// client makes the library's client for the hash of our name. What SASLprep
// (RFC 4013) refuses, such as emoji, is used as it is: the servers that let it
// be set do not prepare it either.
func (s *scramClient) client() (*scram.Client, error) {
	var hash scram.HashGeneratorFcn
	switch strings.TrimSuffix(s.name, plusSuffix) {
	case "SCRAM-SHA-1":
		hash = scram.SHA1
	case "SCRAM-SHA-256":
		hash = scram.SHA256
	default:
		return nil, fmt.Errorf("no SCRAM mechanism %q", s.name)
	}
	if c, err := hash.NewClient(s.user, s.password, ""); err == nil {
		return c, nil
	}
	return hash.NewClientUnprepped(s.user, s.password, "")
}

// conversation chooses the channel binding flag, RFC 5802 section 6: p with
// -PLUS; y if we could bind and saw a list without -PLUS, so that the server can
// tell if someone took it out; n otherwise.
func (s *scramClient) conversation(c *scram.Client) (*scram.ClientConversation, error) {
	binding, err := channelBinding(s.ch.TLS)
	switch {
	case strings.HasSuffix(s.name, plusSuffix):
		if err != nil {
			return nil, err
		}
		return c.NewConversationWithChannelBinding(binding), nil
	case err == nil && s.ch.Offered != nil && !slices.Contains(s.ch.Offered, s.name+plusSuffix):
		return c.NewConversationAdvertisingChannelBinding(), nil
	}
	return c.NewConversation(), nil
}

func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	if s.failure != nil || s.conv == nil {
		return nil, errSpent
	}
	s.step++
	switch s.step {
	case 1:
		return s.prove(string(challenge))
	case 2:
		return s.verify(string(challenge))
	}
	return nil, s.fail(errUnexpected)
}

// prove answers the server's first message.
func (s *scramClient) prove(msg string) ([]byte, error) {
	if err := checkServerFirst(msg, s.nonce); err != nil {
		return nil, s.fail(err)
	}
	answer, err := s.conv.Step(msg)
	if err != nil {
		// The library quotes the message raw.
		return nil, s.fail(errors.New("malformed first message of the server"))
	}
	return []byte(answer), nil
}

// verify reads the server's last message: its signature, or why it refuses.
func (s *scramClient) verify(msg string) ([]byte, error) {
	if code, ok := strings.CutPrefix(msg, "e="); ok {
		code, _, _ = strings.Cut(code, ",")
		return nil, s.fail(scramRefusal(code))
	}
	if _, err := s.conv.Step(msg); err != nil || !s.conv.Valid() {
		return nil, s.fail(errors.New("wrong server signature: the server does not know the password"))
	}
	s.done = true
	return []byte{}, nil
}

// fail ends the exchange: the library must not be stepped after an error.
func (s *scramClient) fail(err error) error {
	s.failure = err
	return err
}

// Explain is why the server refused, if it said so in its last message, or why
// we did.
func (s *scramClient) Explain() error { return s.failure }

// Complete is nil once the server's signature was verified.
func (s *scramClient) Complete() error {
	switch {
	case s.failure != nil:
		return s.failure
	case !s.done:
		return ErrIncomplete
	}
	return nil
}

// checkServerFirst checks r=NONCE,s=SALT,i=COUNT before any work is done on it.
func checkServerFirst(msg, nonce string) error {
	if code, ok := strings.CutPrefix(msg, "e="); ok {
		return scramRefusal(code)
	}
	fields := strings.Split(msg, ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") ||
		!strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return errors.New("malformed first message of the server")
	}
	// RFC 5802 section 5.1: the server appends its own nonce to ours.
	if theirs, ok := strings.CutPrefix(fields[0][2:], nonce); !ok || theirs == "" {
		return errors.New("the server's nonce does not extend ours")
	}
	if fields[1] == "s=" {
		return errors.New("empty salt")
	}
	n, err := strconv.ParseUint(fields[2][2:], 10, 63)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errors.New("malformed iteration count")
	case err != nil || n > maxIterations:
		return fmt.Errorf("server asks for more than %d iterations", maxIterations)
	case n < minIterations:
		return fmt.Errorf("server asks for %d iterations, less than the %d of RFC 5802", n, minIterations)
	}
	return nil
}

// BindingError is a server's refusal of the channel binding, not of the
// password.
type BindingError struct {
	// Code is the server-error-value of RFC 5802 section 7.
	Code string
}

func (e *BindingError) Error() string {
	return fmt.Sprintf("server says %q: it knows another kind of channel binding, or TLS ends at someone else than the server", e.Code)
}

// scramRefusal words a server-error-value of RFC 5802 section 7.
func scramRefusal(code string) error {
	switch code {
	case "invalid-proof", "unknown-user":
		return fmt.Errorf("server says %q: wrong user name or password", code)
	case "channel-bindings-dont-match", "channel-binding-not-supported", "unsupported-channel-binding-type":
		return &BindingError{Code: code}
	case "server-does-support-channel-binding":
		return fmt.Errorf("server says %q: someone took the -PLUS mechanisms out of its list", code)
	}
	return fmt.Errorf("server says %q", clip(code))
}

// plusSuffix marks the mechanisms with channel binding.
const plusSuffix = "-PLUS"

// ErrNoBinding means that the connection has nothing that a -PLUS mechanism
// could be bound to: no TLS, or a certificate with a signature for which RFC
// 5929 defines no hash (Ed25519) on TLS 1.2 without extended master secret.
var ErrNoBinding = errors.New("the connection offers no channel binding")

// channelBinding is tls-exporter (RFC 9266) where Go exports keying material:
// TLS 1.3, and TLS 1.2 with extended master secret (RFC 7627). Otherwise it is
// tls-server-end-point (RFC 5929 section 4).
func channelBinding(state *tls.ConnectionState) (scram.ChannelBinding, error) {
	if state == nil {
		return scram.ChannelBinding{}, ErrNoBinding
	}
	if b, err := exporterBinding(state); err == nil {
		return b, nil
	}
	if b, err := scram.NewTLSServerEndpointBinding(state); err == nil {
		return b, nil
	}
	return scram.ChannelBinding{}, ErrNoBinding
}

// exporterBinding guards against a state that is not of a finished handshake,
// for which ExportKeyingMaterial would call a nil function.
func exporterBinding(state *tls.ConnectionState) (scram.ChannelBinding, error) {
	if !state.HandshakeComplete {
		return scram.ChannelBinding{}, ErrNoBinding
	}
	return scram.NewTLSExporterBinding(state)
}
