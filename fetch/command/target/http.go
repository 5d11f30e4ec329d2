package target

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/http"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"golang.org/x/net/http/httpguts"
)

func httpRow() Row {
	return Row{
		Name: "http", Doc: "service that takes mail by HTTP, such as a help desk, a mapping",
		Form: "https://HOST/PATH", Schemes: []string{"https", "http"},
		NoDedupe: true, Exact: true,
		New:     func() Target { return newHTTP() },
		Parse:   parseHTTP,
		Recover: map[string]deliver.RecoverFunc{http.Kind: deliver.GiveUp},
	}
}

// httpTarget is a service that takes mail by HTTP.
type httpTarget struct {
	remote  config.Remote
	preset  string
	url     url.URL
	secret  config.Secret
	headers []config.Named[config.Secret]
	fields  []config.Named[[]string]
}

func newHTTP() *httpTarget { return &httpTarget{remote: config.NewRemote(), preset: http.Presets()[0]} }

func parseHTTP(s string) (Target, error) {
	u, err := config.ParseURL(s)
	if err != nil {
		return nil, err
	}
	m := newHTTP()
	m.url = *u
	m.remote.Visit(u)
	return m, nil
}

// take implements taker.
func (m *httpTarget) take(o config.URLOptions) error {
	m.secret = o.Password
	if m.url.Scheme == "http" && !m.remote.Server.Insecure && !o.Insecure {
		return errors.New("http:// to another machine: anyone on the way can read the mail (--insecure allows it)")
	}
	m.remote.Server.Insecure = true
	return nil
}

func (*httpTarget) Kind() string { return "http" }

// ID names the endpoint. A query may hold a secret: only its checksum is shown.
func (m *httpTarget) ID() string {
	id := "http:" + strings.TrimPrefix(m.endpoint(), m.url.Scheme+"://")
	if m.url.RawQuery != "" {
		id += fmt.Sprintf("?%x", sha256.Sum256([]byte(m.url.RawQuery)))[:9]
	}
	return id
}

// endpoint is where the service takes mail, without the query.
func (m *httpTarget) endpoint() string {
	return http.Endpoint(m.preset, m.url.Scheme+"://"+m.url.Host+m.url.EscapedPath())
}

// Remote implements Remoter.
func (m *httpTarget) Remote() *config.Remote { return &m.remote }

func (m *httpTarget) Keys() []config.Row {
	return append(m.remote.URLKeys(&m.url),
		config.On("preset", "raw", "kind of service: `"+strings.Join(http.Presets(), "`, `")+"`",
			config.Choice(strings.Join(http.Presets(), " "), http.Presets()...), &m.preset),
		config.On("secret", "", "what the service knows us by, a secret: key, token or password; for raw and multipart the key of the signature",
			config.SecretOf(), &m.secret),
		config.On("headers", "", "further fields of each request, each a secret",
			config.Mapping(config.SecretOf(), "a mapping of fields to secrets", checkField), &m.headers),
		config.On("fields", "", "further fields of the form",
			config.Mapping(config.OneOrMore(config.Text("a string"), "a string or a list of strings"), "a mapping of fields to values",
				func(string) error { return nil }), &m.fields),
	)
}

// checkField refuses fields that belong to the connection or to the message.
func checkField(name string) error {
	own := []string{"host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent", "te", "trailer", "upgrade"}
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return errors.New("wants names of fields, such as X-Api-Key")
	case slices.Contains(own, strings.ToLower(name)), strings.HasPrefix(strings.ToLower(name), "mailhaul-"):
		return fmt.Errorf("%s is set by mailhaul", name)
	case strings.HasSuffix(strings.ToLower(name), "idempotency-key"):
		// One value for all messages, and net/http would send a request twice for it.
		return fmt.Errorf("%s is set by mailhaul, another one for each message", name)
	}
	return nil
}

// Check says what does not go together with the preset.
func (m *httpTarget) Check(at config.Place) {
	m.remote.CheckURL(at, &m.url)
	f := http.FactsOf(m.preset)
	switch {
	case f.NeedsSecret && !at.Has("secret"):
		at.Errorf("", "preset: %s needs secret", m.preset)
	case !f.Secret && at.Has("secret"):
		at.Errorf("secret", "has no use with preset: %s", m.preset)
	}
	for _, name := range []string{"user", "token", "oauth"} {
		if !f.Login && at.Has(name) {
			at.Errorf(name, "conflicts with preset: %s, whose login is the secret", m.preset)
		}
	}
	if !f.Form && at.Has("fields") {
		at.Errorf("fields", "has no use with preset: %s, which sends no form", m.preset)
	}
	at.Secret("secret", m.secret)
	for i, h := range m.headers {
		at.Secret("headers", h.Value)
		m.headers[i].Value = h.Value.Bind(m.remote.Server.Host, m.remote.User)
	}
	m.secret = m.secret.Bind(m.remote.Server.Host, m.remote.User)
}

func (m *httpTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o, err := m.options(s, nil)
	if err != nil {
		return nil, err
	}
	return http.New(o), nil
}

// options joins what the configuration says with the way to the service.
func (m *httpTarget) options(s Site, secured func(*tls.ConnectionState)) (o http.Options, err error) {
	o = http.Options{Preset: m.preset, URL: m.endpoint(), Wait: m.remote.Server.Idle}
	if m.url.RawQuery != "" {
		o.URL += "?" + m.url.RawQuery
	}
	if o.Web, err = webOptions(s, &m.remote, secured); err != nil {
		return o, err
	}
	o.Web.Name = "http " + m.url.Host
	if m.remote.User != "" || !m.remote.Token.IsZero() || m.remote.OAuth != nil {
		err = authorize(s, &m.remote, &o.Web)
	}
	if !m.secret.IsZero() {
		o.Secret = m.secret.Within(s.Account.Helper).Resolve
	}
	for _, h := range m.headers {
		o.Headers = append(o.Headers, http.Header{Name: h.Name, Value: h.Value.Within(s.Account.Helper).Resolve})
	}
	for _, f := range m.fields {
		for _, v := range f.Value {
			o.Fields = append(o.Fields, http.Pair{Name: f.Name, Value: v})
		}
	}
	return o, err
}

// Walk implements Walker.
func (m *httpTarget) Walk(ctx context.Context, s Site, secured func(*tls.ConnectionState), step func(Step)) error {
	o, err := m.options(s, secured)
	if err != nil {
		return err
	}
	return http.Probe(ctx, o, step)
}

func (m *httpTarget) Needs() Needs {
	n := remoteNeeds(&m.remote)
	n.Secrets = append(n.Secrets, m.secret)
	for _, h := range m.headers {
		n.Secrets = append(n.Secrets, h.Value)
	}
	return n
}

func (*httpTarget) Copies(context.Context, Site) (proof.Copies, error) { return nil, nil }

func (m *httpTarget) Value() any { return config.Pair("url", m.url.String()) }
