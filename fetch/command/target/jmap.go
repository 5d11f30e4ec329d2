package target

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap"
	"github.com/mailhaul/mailhaul/deliver/web"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

func jmapRow() Row {
	return Row{
		Name: "jmap", Doc: "mailbox of a JMAP server, a mapping",
		NoDedupe: true,
		New:      func() Target { return &jmapTarget{remote: config.NewRemote(), o: jmap.Options{Mailbox: "inbox"}} },
		Recover:  map[string]deliver.RecoverFunc{jmap.Kind: deliver.GiveUp},
	}
}

// jmapTarget is a mailbox on a JMAP server. Its remote's Port is set.
type jmapTarget struct {
	remote config.Remote
	o      jmap.Options
}

func (*jmapTarget) Kind() string { return "jmap" }

func (m *jmapTarget) ID() string {
	id := "jmap:"
	if m.remote.User != "" {
		id += m.remote.User + "@"
	}
	return id + m.host() + "/" + m.o.Mailbox
}

// host has the port only if it is not the registered one.
func (m *jmapTarget) host() string {
	if m.remote.Server.Port == 443 {
		return m.remote.Server.Host
	}
	return m.remote.Server.Address()
}

// Remote implements Remoter.
func (m *jmapTarget) Remote() *config.Remote { return &m.remote }

func (m *jmapTarget) Keys() []config.Row {
	return append(m.remote.WebKeys(),
		config.On("hosts", "", "other hosts of the provider that may get the login if the server names them",
			config.OneOrMore(config.HostName(), "a host or a list of hosts"), &m.o.Hosts),
		config.On("mailbox", "inbox", "role of a mailbox (`inbox`, `archive`), or its name, created if it is missing; `/` between levels",
			config.Parsed("a mailbox", mailboxName), &m.o.Mailbox),
		config.On("seen", "false", "mark messages as read", config.Boolean(), &m.o.Seen),
		config.On("keywords", "", "one or several keywords to set, if the server takes them",
			config.OneOrMore(keyword(), "a keyword or a list of keywords"), &m.o.Keywords),
	)
}

func (m *jmapTarget) Check(at config.Place) {
	m.remote.CheckWeb(at)
	m.remote.Server.Port = cmp.Or(m.remote.Server.Port, 443)
}

func (m *jmapTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o, err := m.options(s, nil)
	if err != nil {
		return nil, err
	}
	return jmap.New(o), nil
}

// options joins what the configuration says with the way to the server.
func (m *jmapTarget) options(s Site, secured func(*tls.ConnectionState)) (jmap.Options, error) {
	o := m.o
	way, err := webOptions(s, &m.remote, secured)
	if err == nil {
		err = authorize(s, &m.remote, &way)
	}
	if err != nil {
		return o, err
	}
	way.Name = "jmap " + m.host()
	o.Name, o.Base, o.Client, o.Logger = way.Name, origin(&m.remote), web.New(way), s.Log
	o.Claims = claimsPath(s, "jmap", m.host())
	o.Hosts = append(provider.JMAPHosts(m.remote.Server.Host), o.Hosts...)
	return o, nil
}

// authorize gives a way the login of a remote: its tokens, else user and password.
func authorize(s Site, r *config.Remote, way *web.Options) error {
	tokens, err := s.OAuth(r)
	if err != nil {
		return err
	}
	if tokens != nil {
		way.Authorize = func(ctx context.Context) (string, error) { return bearer(tokens.Token(ctx)) }
		way.Renew = func(ctx context.Context, refused string) (string, error) {
			return bearer(tokens.Refused(ctx, refused[len(bearerPrefix):]))
		}
		return nil
	}
	server, err := s.Server(r)
	if err != nil {
		return err
	}
	for _, l := range server.Logins {
		if l.Password != nil {
			way.Authorize = func(ctx context.Context) (string, error) {
				password, err := l.Password(ctx)
				if err != nil {
					return "", fmt.Errorf("password: %w", err)
				}
				return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.User+":"+password)), nil
			}
		}
	}
	return nil
}

const bearerPrefix = "Bearer "

func bearer(token string, err error) (string, error) { return bearerPrefix + token, err }

// Walk implements Walker.
func (m *jmapTarget) Walk(ctx context.Context, s Site, secured func(*tls.ConnectionState), step func(Step)) error {
	o, err := m.options(s, secured)
	if err != nil {
		return err
	}
	return jmap.Probe(ctx, o, step)
}

func (m *jmapTarget) Needs() Needs { return remoteNeeds(&m.remote) }

func (m *jmapTarget) Copies(ctx context.Context, s Site) (proof.Copies, error) {
	o, err := m.options(s, nil)
	if err != nil {
		return nil, err
	}
	return opened(jmap.Open(ctx, o))
}

func (m *jmapTarget) Value() any {
	v := config.Pair("server", m.host())
	if m.remote.User != "" {
		v = v.And("user", m.remote.User)
	}
	if m.o.Mailbox != "inbox" {
		v = v.And("mailbox", m.o.Mailbox)
	}
	return v
}
