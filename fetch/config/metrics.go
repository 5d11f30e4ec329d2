package config

import (
	"errors"
	"net"

	"gopkg.in/yaml.v3"
)

// Metrics is where loop serves Prometheus, and who may ask. With Token they are asked
// for with a bearer token (RFC 6750), with User and Password by basic authentication
// (RFC 7617). Without either the address is one of this machine.
type Metrics struct {
	Listen          string // host:port; empty: nowhere
	Token, Password Secret
	User            string
}

// Protected reports whether only those may ask who know a secret.
func (m *Metrics) Protected() bool { return !m.Token.IsZero() || !m.Password.IsZero() }

// Secrets are those of the listener, the zero ones included.
func (m *Metrics) Secrets() []Secret { return []Secret{m.Token, m.Password} }

// Equal reports whether both are the same.
func (m *Metrics) Equal(o *Metrics) bool {
	return m.Listen == o.Listen && m.User == o.User && m.Token.Equal(o.Token) && m.Password.Equal(o.Password)
}

func metricsKeys(m *Metrics) []Row {
	return []Row{
		On("listen", "", "address, such as `127.0.0.1:9110` or `:9110` for all", listenAddress(), &m.Listen),
		On("token", "", "bearer token that Prometheus sends, a secret", SecretOf(), &m.Token),
		On("user", "", "user name of basic authentication, in place of token", Text("a string"), &m.User),
		On("password", "", "password of that user, a secret", SecretOf(), &m.Password),
	}
}

func metricsKind() Kind[Metrics] {
	address := listenAddress()
	address.words = "a loopback address such as 127.0.0.1:9110, or a mapping"
	short := Kind[Metrics]{address.info, func(w *walker, path string, n *yaml.Node) (Metrics, bool) {
		listen, ok := address.decode(w, path, n)
		if ok && !loopbackPort(listen) {
			w.errorf(n, path, "must be a loopback address, or a mapping with listen and token: metrics would not be protected")
		}
		return Metrics{Listen: listen}, ok
	}}
	return either(short, mapping("a mapping", Metrics{}, metricsKeys, checkMetrics))
}

func checkMetrics(w *walker, path string, n *yaml.Node, m *Metrics) {
	k := Place{w: w, path: path, node: n}
	k.Needs("listen")
	checkSecret(k, "token", m.Token)
	checkSecret(k, "password", m.Password)
	switch {
	case k.Has("token") && (k.Has("user") || k.Has("password")):
		k.Errorf("token", "conflicts with user and password")
	case k.Has("user") != k.Has("password"):
		k.Errorf("", "wants user and password together")
	case m.Listen != "" && !loopbackPort(m.Listen) && !k.Has("token") && !k.Has("user"):
		k.Errorf("listen", "must be a loopback address without token, or user and password: metrics would not be protected")
	}
}

// listenAddress decodes host:port; an empty host means all addresses.
func listenAddress() Kind[string] {
	return Parsed("an address such as 127.0.0.1:9110", func(s string) (string, error) {
		if _, port, err := net.SplitHostPort(s); err != nil || !validPort(port) {
			return "", errors.New("wants host:port, such as 127.0.0.1:9110")
		}
		return s, nil
	})
}

func loopbackPort(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return Loopback(host)
}
