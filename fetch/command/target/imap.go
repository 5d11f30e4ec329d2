package target

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

func imapRow() Row {
	return Row{
		Name: "imap", Doc: "mailbox of an IMAP server, a mapping", Form: "imaps://USER@HOST/MAILBOX",
		Schemes: []string{"imaps", "imap", "imap+plain"},
		New:     func() Target { return newIMAP() },
		Parse:   parseIMAP,
		Recover: map[string]deliver.RecoverFunc{imap.Kind: deliver.GiveUp, imap.SkipKind: imap.RecoverSkip},
	}
}

// imapTarget is a mailbox on another server. Its remote's Port is set.
type imapTarget struct {
	remote config.Remote
	o      imap.Options
}

func newIMAP() *imapTarget {
	return &imapTarget{remote: config.NewRemote(), o: imap.Options{Mailbox: "INBOX", Connections: 1}}
}

// parseIMAP reads imaps://USER@HOST[:PORT]/MAILBOX (implicit TLS), imap:// (STARTTLS
// required) and imap+plain:// (no TLS).
func parseIMAP(s string) (Target, error) {
	m := newIMAP()
	var path string
	var err error
	if m.remote, path, err = config.ParseRemote(s, "imap", "--to-password-command or MAILHAUL_TO_PASSWORD"); err != nil {
		return nil, err
	}
	name, err := url.PathUnescape(path)
	if err != nil || strings.ContainsAny(path, "?#") {
		return nil, errors.New("the mailbox is not well encoded: % is %25, ? is %3F, # is %23")
	}
	if name != "" {
		if m.o.Mailbox, err = mailboxName(name); err != nil {
			return nil, fmt.Errorf("mailbox: %w", err)
		}
	}
	m.complete()
	return m, nil
}

func (m *imapTarget) complete() {
	port := 143
	if m.remote.Server.Security == pop3.ImplicitTLS {
		port = 993
	}
	m.remote.Server.Port = cmp.Or(m.remote.Server.Port, port)
}

func (*imapTarget) Kind() string { return "imap" }

// ID has the port only if it is not one of the registered ones.
func (m *imapTarget) ID() string {
	host := m.remote.Server.Address()
	if p := m.remote.Server.Port; p == 993 || p == 143 {
		host = m.remote.Server.Host
	}
	return "imap:" + m.remote.User + "@" + host + "/" + m.o.Mailbox
}

// Remote implements Remoter.
func (m *imapTarget) Remote() *config.Remote { return &m.remote }

func (m *imapTarget) Keys() []config.Row {
	return append(m.remote.Keys("993 with implicit TLS, otherwise 143", imapMethods()...),
		config.On("mailbox", "INBOX", "mailbox, created if it is missing; `/` between levels",
			config.Parsed("a mailbox", mailboxName), &m.o.Mailbox),
		config.On("seen", "false", "mark messages as read", config.Boolean(), &m.o.Seen),
		config.On("keywords", "", "one or several keywords to set, where the mailbox permits them",
			config.OneOrMore(keyword(), "a keyword or a list of keywords"), &m.o.Keywords),
		config.On("connections", "1", "number of connections to upload through, to a server that takes one message at a time",
			config.Integer(1, 20), &m.o.Connections),
	)
}

// imapMethods are those of an account that IMAP has as well.
func imapMethods() []sasl.Method {
	return []sasl.Method{sasl.Auto, sasl.Plain, sasl.Login, sasl.CRAMMD5,
		sasl.SCRAMSHA1, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA256PLUS,
		sasl.XOAUTH2, sasl.OAUTHBEARER, sasl.External}
}

func (m *imapTarget) Check(at config.Place) {
	m.remote.Check(at)
	m.complete()
}

func (m *imapTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o, err := m.options(s)
	if err != nil {
		return nil, err
	}
	t, dedupe := imap.New(o), s.Account.Dedupe
	if dedupe.By == config.DedupeOff || dedupe.Action == config.DuplicateDeliver {
		return t, nil
	}
	by := imap.SameContent
	if dedupe.By == config.DedupeMessageID {
		by = imap.SameMessageID
	}
	return imap.NewDedupe(t, by, dedupe.Action == config.DuplicateTag), nil
}

// options joins what the configuration says with the way to the server.
func (m *imapTarget) options(s Site) (imap.Options, error) {
	o := m.o
	server, err := s.Server(&m.remote)
	if err != nil {
		return o, err
	}
	o.Host, o.Port, o.Timeout, o.Secure = server.Host, server.Port, server.Idle, server.Insecure
	o.AppendTimeout = 5 * server.Idle // messages have to reach its disk
	o.Logger, o.Trace = s.Log, server.Trace
	o.Claims = imap.Claims(claimsPath(s, "imap", m.ID()))
	o.Connect = func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) { return connect(ctx, server.Server) }
	if server.Security == pop3.STLS {
		o.StartTLS = func(ctx context.Context, conn net.Conn) (net.Conn, *tls.ConnectionState, error) {
			return handshake(ctx, conn, server.Server)
		}
	}
	o.Logins = server.targetLogins(&m.remote)
	return o, nil
}

// Walk implements Walker.
func (m *imapTarget) Walk(ctx context.Context, s Site, secured func(*tls.ConnectionState), step func(Step)) error {
	o, err := m.options(s)
	if err != nil {
		return err
	}
	tell := func(conn net.Conn, state *tls.ConnectionState, err error) (net.Conn, *tls.ConnectionState, error) {
		if state != nil {
			secured(state)
		}
		return conn, state, err
	}
	connect, startTLS := o.Connect, o.StartTLS
	o.Connect = func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) { return tell(connect(ctx)) }
	if startTLS != nil {
		o.StartTLS = func(ctx context.Context, conn net.Conn) (net.Conn, *tls.ConnectionState, error) {
			return tell(startTLS(ctx, conn))
		}
	}
	return imap.Probe(ctx, o, func(s Step) { step(byCause(s)) })
}

// byCause names the step that could not connect as a session does.
func byCause(s Step) Step {
	dial, _ := errors.AsType[*pop3.DialError](s.Err)
	switch {
	case errors.As(s.Err, new(*pop3.TLSError)):
		s.Name = "tls"
	case dial != nil && dial.Kind == pop3.DialDNS:
		s.Name = "dns"
	case s.Name == "connect":
		s.Name = "tcp"
	}
	return s
}

func (m *imapTarget) Needs() Needs { return remoteNeeds(&m.remote) }

// remoteNeeds are those of a server that one logs in to.
func remoteNeeds(r *config.Remote) Needs {
	n := Needs{Read: r.Files(), Secrets: r.Secrets()}
	if argv := r.Route.Tunnel; len(argv) > 0 {
		n.Commands = []process.Allowed{{Args: argv, Address: true}}
	}
	return n
}

func (m *imapTarget) Copies(ctx context.Context, s Site) (proof.Copies, error) {
	o, err := m.options(s)
	if err != nil {
		return nil, err
	}
	return opened(imap.Open(ctx, o))
}

func (m *imapTarget) Value() any {
	server := m.remote.Server
	host := server.Address()
	if server.Port == 993 && server.Security == pop3.ImplicitTLS || server.Port == 143 && server.Security != pop3.ImplicitTLS {
		host = server.Host
	}
	v := config.Pair("server", host)
	if server.Security != pop3.ImplicitTLS {
		v = v.And("tls", config.Word([]string{"implicit", "starttls", "none"}[server.Security]))
	}
	v = v.And("user", m.remote.User)
	if m.o.Mailbox != "INBOX" {
		v = v.And("mailbox", m.o.Mailbox)
	}
	return v
}

// mailboxName refuses what no server can have.
func mailboxName(s string) (string, error) {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", errors.New("has a control character in it, or is not UTF-8")
	case s == "" || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//"):
		return "", errors.New("has a level without a name: wants a name such as INBOX or Archive/2019")
	case strings.EqualFold(s, "INBOX"):
		return "INBOX", nil
	}
	return s, nil
}

// keyword decodes a flag-keyword, an atom (RFC 9051 section 9).
func keyword() config.Kind[string] {
	return config.Parsed("a keyword", func(s string) (string, error) {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) }) {
			return "", errors.New("is not a keyword: an IMAP keyword is one ASCII word, such as $Important, without ( ) { ] % * \" and backslash")
		}
		return s, nil
	})
}
