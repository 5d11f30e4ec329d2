package config

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"gopkg.in/yaml.v3"
)

// URLKeys is the table of a service that has a URL and need not have a login.
func (r *Remote) URLKeys(u *url.URL) []Row {
	return slices.Concat([]Row{
		given("url", "", "where the service is, as https://HOST/PATH", Parsed("a URL", ParseURL), func(v *url.URL) { *u = *v }),
		On("user", "", "login name, for a login with user and password (Basic)", Text("a string"), &r.User),
		On("password", "", "password, a secret", SecretOf(), &r.Password),
		On("token", "", "access token, a secret, in place of user and password (Bearer)", SecretOf(), &r.Token),
		OAuthRow(&r.OAuth),
	}, r.tlsKeys(), []Row{r.timeoutKey("longest wait for the service")}, r.routeKeys())
}

// ParseURL reads the URL of a service. Its errors do not repeat it: it may hold a secret.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || checkText(s) != nil || u.Opaque != "" || u.Host == "":
		return nil, errors.New("is not a URL such as https://HOST/PATH")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("wants https:// (or http:// to this machine)")
	case u.User != nil:
		return nil, errors.New("a login does not belong in a URL, which is shown: use user and password")
	case u.Fragment != "":
		return nil, errors.New("has a part behind # that no server is sent: write # as %23")
	}
	server, err := ParseServer(u.Host)
	if err != nil {
		return nil, err
	}
	if u.Host = server.Host; strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	if usual := map[string]int{"https": 443, "http": 80}[u.Scheme]; server.Port != 0 && server.Port != usual {
		u.Host += ":" + strconv.Itoa(server.Port)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// Visit makes the service of a URL the server of r.
func (r *Remote) Visit(u *url.URL) {
	r.Server.Host, r.Server.Security = u.Hostname(), pop3.ImplicitTLS
	port := 443
	if u.Scheme == "http" {
		r.Server.Security, port = pop3.Plain, 80
	}
	given, _ := strconv.Atoi(u.Port())
	r.Server.Port = cmp.Or(given, port)
	r.Bind()
}

// CheckURL is Check for URLKeys.
func (r *Remote) CheckURL(at Place, u *url.URL) {
	at.Needs("url")
	if at.Has("user") != at.Has("password") {
		at.Errorf("", "wants both user and password, or none of them")
	}
	if u.Host == "" {
		return // missing or wrong, and reported
	}
	r.Visit(u)
	if r.Server.Security.Clear() && !r.Server.Insecure {
		at.Errorf("url", "is http:// to another machine: anyone on the way can read secret and mail (insecure: true allows it)")
		return
	}
	r.check(at)
}

// Named is a value with its name in a mapping.
type Named[T any] struct {
	Name  string
	Value T
}

// Mapping decodes a mapping whose names are not known beforehand, in the order of the
// file; check says what is wrong with a name.
func Mapping[T any](of Kind[T], words string, check func(name string) error) Kind[[]Named[T]] {
	in := info{words: words, schema: func() schema { return schema{"type": "object", "additionalProperties": of.schema()} }}
	return Kind[[]Named[T]]{in, func(w *walker, path string, n *yaml.Node) (list []Named[T], good bool) {
		if n.Kind != yaml.MappingNode {
			w.wants(n, path, words)
			return nil, false
		}
		found := w.pairs(path, n, true)
		for _, name := range found.names {
			p := found.of[name]
			if err := check(name); err != nil {
				w.errorf(p.key, path, "%v", err)
				continue
			}
			if v, ok := of.decode(w, join(path, name), w.target(p.value)); ok {
				list = append(list, Named[T]{name, v})
			}
		}
		return list, len(list) == len(found.names)
	}}
}
