package target

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

func smtpRow() Row {
	return Row{
		Name: "smtp", Doc: "SMTP relay, a mapping", Form: "smtp://HOST:PORT?rcpt=ADDR",
		New:     func() Target { return newRelay(false) },
		Parse:   func(url string) (Target, error) { return parseRelay(url, false) },
		Propose: proposeRelay,
		Recover: map[string]deliver.RecoverFunc{smtp.Kind: deliver.GiveUp},
	}
}

func lmtpRow() Row {
	return Row{
		Name: "lmtp", Doc: "LMTP server, a mapping", Form: "lmtp://HOST:PORT?rcpt=ADDR",
		New:   func() Target { return newRelay(true) },
		Parse: func(url string) (Target, error) { return parseRelay(url, true) },
	}
}

// relay is a server that takes mail by SMTP or LMTP.
type relay struct {
	o smtp.Options
	// server's Port is set unless it is a Socket.
	server config.Server
	// remote is the server with its login.
	remote config.Remote
}

func newRelay(lmtp bool) *relay {
	return &relay{o: smtp.Options{LMTP: lmtp, Timeout: 5 * time.Minute}, remote: config.NewRemote()}
}

func (r *relay) Kind() string {
	if r.o.LMTP {
		return "lmtp"
	}
	return "smtp"
}

func (r *relay) ID() string {
	id := r.Kind() + ":" + r.server.String()
	if len(r.o.To) > 0 {
		id += " to " + strings.Join(r.o.To, ",")
	}
	return id
}

func (r *relay) Keys() []config.Row {
	server := config.On("server", "", "relay as `HOST` or `HOST:PORT`; the port is 25, or 465 with implicit TLS", config.HostPort(), &r.server)
	if r.o.LMTP {
		server = config.On("server", "", "server as `HOST:PORT`, or the path of a socket", config.HostPortOrSocket(), &r.server)
	}
	return slices.Concat([]config.Row{
		server,
		config.On("to", "", "one or several recipients", config.OneOrMore(address(), "an address or a list of addresses"), &r.o.To),
		config.On("from", "<>", "sender of messages that have no Return-Path", sender(), &r.o.From),
		config.On("tls", "none on this machine, else starttls", "how the connection is protected: `starttls`, `implicit` or `none`", config.OneOf(securities...), &r.o.Security),
		config.On("insecure", "false", "allow tls: none to another machine", config.Boolean(), &r.o.Insecure),
		config.On("ca_file", "the system's", "PEM file with the certificates of the authorities to trust", config.Path(), &r.remote.TLS.CAFile),
		config.On("server_name", "the host", "host name that the certificate must have", config.HostName(), &r.o.Host),
	}, r.remote.LoginKeys(relayMethods()...), []config.Row{
		config.On("helo", "this machine's name", "host name to send in EHLO or LHLO", config.HostName(), &r.o.Helo),
		config.On("timeout", "5m", "longest wait for a reply", config.Duration(time.Second), &r.o.Timeout),
	})
}

// relayMethods are those of an account that SMTP has as well.
func relayMethods() []sasl.Method {
	return []sasl.Method{sasl.Auto, sasl.Plain, sasl.Login, sasl.CRAMMD5,
		sasl.SCRAMSHA1, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA256PLUS, sasl.XOAUTH2, sasl.OAUTHBEARER}
}

// securities are the values of tls.
var securities = []smtp.Security{smtp.StartTLS, smtp.ImplicitTLS, smtp.NoTLS}

// Check completes the relay, and says what is wrong with it.
func (r *relay) Check(at config.Place) {
	at.Needs("server")
	r.remote.CheckLogin(at)
	r.remote.Server.Host = r.server.Host // to look a client_secret up for
	at.Login(&r.remote)
	if (r.server == config.Server{}) {
		return // missing or wrong, and reported
	}
	if err := r.complete(at.Has("tls")); err != nil {
		at.Errorf("", "%v", err)
	}
}

// complete fills in what follows from other fields.
func (r *relay) complete(tlsSet bool) error {
	local := r.server.Local()
	if !tlsSet && local {
		r.o.Security = smtp.NoTLS
	}
	if r.server.Socket == "" && r.server.Port == 0 {
		if r.o.LMTP {
			return errors.New("LMTP has no port of its own: name it (server: host:port, lmtp://HOST:PORT), or a socket's path")
		}
		r.server.Port = 25
		if r.o.Security == smtp.ImplicitTLS {
			r.server.Port = 465
		}
	}
	r.remote.Server.Host, r.remote.Server.Port = r.server.Host, r.server.Port
	r.remote.Server.Insecure = local || r.o.Insecure
	if r.o.Security == smtp.NoTLS {
		r.remote.Server.Security = pop3.Plain
	}
	r.remote.Bind()
	switch {
	case r.o.LMTP && r.server.Port == 25:
		return errors.New("LMTP is never on port 25, which is for SMTP: name its own port")
	case r.o.Security == smtp.NoTLS && !local && !r.o.Insecure:
		return errors.New("no TLS to another machine: anyone on the way can read the mail (insecure: true, or &insecure=true in --to, allows it)")
	}
	return nil
}

// parseRelay reads smtp://HOST:PORT?rcpt=ADDR, lmtp://HOST:PORT?rcpt=ADDR and
// lmtp:/PATH/SOCKET?rcpt=ADDR. rcpt may be repeated; from, tls and insecure are
// as in the configuration.
func parseRelay(s string, lmtp bool) (Target, error) {
	r := newRelay(lmtp)
	form := fmt.Errorf("wants %s://HOST:PORT?rcpt=ADDR", r.Kind())
	u, err := url.Parse(s)
	if err != nil {
		return nil, form
	}
	if u.User != nil {
		return nil, errors.New("a login does not belong on the command line: use a configuration file")
	}
	switch {
	case u.Host == "" && lmtp && strings.HasPrefix(u.Path, "/"):
		r.server.Socket = filepath.Clean(u.Path)
	case u.Host == "" || u.Path != "" && u.Path != "/":
		return nil, form
	default:
		if r.server, err = config.ParseServer(u.Host); err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
	}
	tlsSet, err := r.query(u.RawQuery)
	if err != nil {
		return nil, err
	}
	return r, r.complete(tlsSet)
}

// query reads the parameters of a relay's URL. A plus sign is itself, not a
// space: it is common in addresses.
func (r *relay) query(raw string) (tlsSet bool, err error) {
	q, err := url.ParseQuery(strings.ReplaceAll(raw, "+", "%2B"))
	if err != nil {
		return false, errors.New("the part after ? is not well encoded")
	}
	known := []string{"rcpt", "from", "tls", "insecure"}
	for name := range q {
		if !slices.Contains(known, name) {
			return false, fmt.Errorf("unknown parameter %q, wants one of %s%s", name, strings.Join(known, ", "), config.DidYouMean(name, known))
		}
	}
	for _, to := range q["rcpt"] {
		if err := checkAddress(to); err != nil {
			return false, fmt.Errorf("rcpt: %w", err)
		}
		r.o.To = append(r.o.To, config.ASCIIAddress(to))
	}
	if len(r.o.To) == 0 {
		return false, errors.New("names no recipient: add ?rcpt=ADDR")
	}
	if r.o.From = config.ASCIIAddress(strings.Trim(q.Get("from"), "<>")); r.o.From != "" && checkAddress(r.o.From) != nil {
		return false, errors.New("from: is not an address")
	}
	r.o.Insecure = q.Get("insecure") == "true"
	if !q.Has("tls") {
		return false, nil
	}
	words := config.Words(securities...)
	i := slices.Index(words, q.Get("tls"))
	if i < 0 {
		return false, fmt.Errorf("tls: wants one of %s", strings.Join(words, ", "))
	}
	r.o.Security = securities[i]
	return true, nil
}

// Remote implements Remoter.
func (r *relay) Remote() *config.Remote { return &r.remote }

// Addressed implements config.Addressee.
func (r *relay) Addressed() bool { return len(r.o.To) > 0 }

func (r *relay) Deliverer(s Site) (deliver.Deliverer, error) {
	o := r.o
	o.Network, o.Address = "tcp", r.server.String()
	if r.server.Socket != "" {
		o.Network = "unix"
	}
	o.Logger = s.Log
	server, err := s.Server(&r.remote)
	if err != nil {
		return nil, err
	}
	o.TLS = server.TLS
	if r.remote.User != "" {
		o.Logins = server.targetLogins(&r.remote)
	}
	return smtp.New(o), nil
}

func (r *relay) Needs() Needs {
	return Needs{Read: r.remote.Files(), Secrets: r.remote.Secrets()}
}

func (*relay) Copies(context.Context, Site) (proof.Copies, error) { return nil, nil }

func (r *relay) Value() any {
	m := config.Pair("server", r.server.String())
	if r.server.Socket != "" {
		m = config.Pair("server", config.PathText(r.server.Socket))
	}
	m = m.And("to", r.o.To)
	if r.server.Socket == "" {
		m = m.And("tls", config.Word(r.o.Security.String()))
	}
	if r.o.From != "" {
		m = m.And("from", r.o.From)
	}
	if r.o.Insecure {
		m = m.And("insecure", true)
	}
	return m
}

// address decodes an address for RCPT. LMTP takes local parts alone.
func address() config.Kind[string] {
	return config.Parsed("an address", func(s string) (string, error) {
		return config.ASCIIAddress(s), checkAddress(s)
	})
}

// sender decodes an address for MAIL; <> and nothing are the null sender.
func sender() config.Kind[string] {
	return config.Parsed("an address", func(s string) (string, error) {
		if s == "" || s == "<>" {
			return "", nil
		}
		return config.ASCIIAddress(s), checkAddress(s)
	})
}

// checkAddress refuses what would break the command that carries the address.
func checkAddress(s string) error {
	if s == "" || len(s) > 320 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }) {
		return errors.New("is not an address")
	}
	return nil
}
