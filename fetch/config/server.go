package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"gopkg.in/yaml.v3"
)

// Server is a host and a TCP port, or a unix socket.
type Server struct {
	// Host is a name or an address without brackets, lower case.
	Host string
	Port int
	// Socket is the path of a unix socket (LMTP only); Host is then empty.
	Socket string
}

// String returns host:port, or the path of the socket.
func (s Server) String() string {
	if s.Socket != "" {
		return s.Socket
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// Local reports whether the server is this machine: no eavesdropper between.
func (s Server) Local() bool { return s.Socket != "" || Loopback(s.Host) }

// Loopback reports whether a host is this machine's loopback interface.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// ParseServer reads host, host:port, an address, or [address]:port. The port
// is 0 if there is none.
func ParseServer(s string) (Server, error) {
	if strings.Contains(s, "://") {
		return Server{}, errors.New("wants host or host:port, not a URL (see tls:)")
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return Server{Host: a.String()}, nil
	}
	host, port := s, ""
	if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return Server{}, errors.New("wants host or host:port ([address]:port for IPv6)")
		}
		if !validPort(port) {
			return Server{}, errors.New("the port must be a number from 1 to 65535")
		}
	}
	host, err := ASCIIHost(host)
	if err != nil {
		return Server{}, errors.New("is not a host name or address")
	}
	n, _ := strconv.Atoi(port)
	return Server{Host: host, Port: n}, nil
}

// ASCIIHost is a host in lower case, and in the form that the DNS and certificates
// have of an international one (RFC 5890): bücher.example is xn--bcher-kva.example.
func ASCIIHost(s string) (string, error) {
	if !ValidHost(s) {
		return "", errors.New("is not a host name")
	}
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(s), nil
	}
	return idna.Lookup.ToASCII(s)
}

// ASCIIAddress is a mail address with its domain in the form of ASCIIHost; one that
// is none stays as it is. What is before the @ is not changed.
func ASCIIAddress(s string) string {
	i := strings.LastIndexByte(s, '@')
	if domain, err := ASCIIHost(s[i+1:]); i >= 0 && err == nil && !strings.EqualFold(domain, s[i+1:]) {
		return s[:i+1] + domain
	}
	return s
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536 && strconv.Itoa(n) == s
}

// ValidHost accepts addresses, and names by their characters: resolvers know
// names that RFC 1123 does not (underscores, UTF-8).
func ValidHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@:[]()<>,;"'?#%`, r) }
	return s != "" && len(s) < 254 && utf8.ValidString(s) && !strings.ContainsFunc(s, bad)
}

// HostPort decodes host or host:port.
func HostPort() Kind[Server] {
	return Parsed("host or host:port", ParseServer)
}

// HostPortOrSocket decodes host:port or the path of a socket.
func HostPortOrSocket() Kind[Server] {
	return parsed("host:port or the path of a socket", schema{"type": "string"}, func(w *walker, s string) (Server, error) {
		if strings.HasPrefix(s, "~") || strings.ContainsAny(s, "/$") {
			p, err := w.path(s)
			return Server{Socket: p}, err
		}
		return ParseServer(s)
	})
}

// HostName decodes the name of a host.
func HostName() Kind[string] {
	return Parsed("a host name", func(s string) (string, error) {
		if s, err := ASCIIHost(s); err == nil {
			return s, nil
		}
		return "", errors.New("is not a host name")
	})
}

// Proxy is a proxy to connect through: SOCKS5, or HTTP with CONNECT.
type Proxy struct {
	HTTP   bool
	Server Server
	// User and Password log in to the proxy; User is empty for none.
	User     string
	Password Secret
}

// parseProxy reads the URL of a proxy. A password in it would be a secret in
// the open.
func parseProxy(s string) (*Proxy, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, errors.New("wants socks5://HOST:PORT or http://HOST:PORT")
	}
	p := &Proxy{}
	port := 1080
	switch u.Scheme {
	case "socks5", "socks5h":
	case "http":
		p.HTTP, port = true, 8080
	default:
		return nil, fmt.Errorf("wants socks5:// or http://%s", DidYouMean(u.Scheme, []string{"socks5", "http"}))
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return nil, errors.New("a password does not belong in a URL: write {url: ..., user: ..., password: {file: ...}}")
		}
		p.User = u.User.Username()
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("wants nothing after the host and port")
	}
	if p.Server, err = ParseServer(u.Host); err != nil {
		return nil, err
	}
	p.Server.Port = cmp.Or(p.Server.Port, port)
	return p, nil
}

func proxyURL(words string) Kind[*Proxy] {
	return Parsed(words, parseProxy)
}

func proxyKeys(p *Proxy) []Row {
	return []Row{
		given("url", "", "URL of the proxy", proxyURL("a URL"), func(v *Proxy) { *p = *v }),
		On("user", "", "login name at the proxy", Text("a string"), &p.User),
		On("password", "", "password at the proxy, a secret", SecretOf(), &p.Password),
	}
}

func checkProxy(w *walker, path string, n *yaml.Node, p *Proxy) {
	if !w.has(path, "url") {
		w.errorf(n, path, "wants url: socks5://HOST:PORT or http://HOST:PORT")
	}
	if w.has(path, "password") && p.User == "" && !w.has(path, "user") {
		w.errorf(n, path, "has a password but no user")
	}
	p.Password = p.Password.Bind(p.Server.Host, p.User)
}
