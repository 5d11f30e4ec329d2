// Package route opens connections the way the configuration says: directly, from
// a local address, through a proxy, or as a command's standard input and output.
package route

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/hook"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// dialFunc opens a connection to a server.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns how a server is reached; nil: directly.
func Dialer(r *config.Route) func(ctx context.Context, network, address string) (net.Conn, error) {
	direct := &net.Dialer{KeepAlive: 30 * time.Second}
	if r.Bind.IsValid() {
		direct.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.Bind, 0))
	}
	switch {
	case len(r.Tunnel) > 0:
		return tunnel(r.Tunnel)
	case r.Proxy != nil && r.Proxy.HTTP:
		return httpProxy(r.Proxy, direct)
	case r.Proxy != nil:
		return socksProxy(r.Proxy, direct)
	case r.Bind.IsValid():
		return direct.DialContext
	}
	return nil
}

// socksProxy connects through a SOCKS5 proxy (RFC 1928), which also resolves
// the server's name.
func socksProxy(p *config.Proxy, direct *net.Dialer) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var auth *proxy.Auth
		if p.User != "" {
			password, err := proxyPassword(ctx, p)
			if err != nil {
				return nil, err
			}
			auth = &proxy.Auth{User: p.User, Password: password}
		}
		d, err := proxy.SOCKS5(network, p.Server.String(), auth, direct)
		if err != nil {
			return nil, err
		}
		conn, err := d.(proxy.ContextDialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, &pop3.ProxyError{Proxy: p.Server.String(), Err: err}
		}
		return conn, nil
	}
}

// httpProxy connects through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6).
func httpProxy(p *config.Proxy, direct *net.Dialer) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := direct.DialContext(ctx, network, p.Server.String())
		if err != nil {
			return nil, &pop3.ProxyError{Proxy: p.Server.String(), Err: err}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		tunnelled, err := connect(ctx, p, conn, address)
		if err != nil {
			_ = conn.Close()
			return nil, &pop3.ProxyError{Proxy: p.Server.String(), Err: err}
		}
		return tunnelled, nil
	}
}

// proxyPassword gets the proxy's password; without it no server was asked.
func proxyPassword(ctx context.Context, p *config.Proxy) (string, error) {
	password, err := p.Password.Resolve(ctx)
	if err != nil {
		return "", exit.NoLogin(fmt.Errorf("proxy password: %w", err))
	}
	return password, nil
}

func connect(ctx context.Context, p *config.Proxy, conn net.Conn, address string) (net.Conn, error) {
	req := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.User != "" {
		password, err := proxyPassword(ctx, p)
		if err != nil {
			return nil, err
		}
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		return nil, err
	}
	// What the server says first may arrive behind the proxy's answer.
	in := bufio.NewReader(io.LimitReader(conn, 64<<10))
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("it refuses to connect to the server (CONNECT): %s", strconv.QuoteToASCII(resp.Status))
	}
	early, err := in.Peek(in.Buffered())
	return &earlyConn{Conn: conn, early: bytes.Clone(early)}, err
}

// earlyConn gives back first what was read too far.
type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// tunnel runs a command whose standard input and output are the connection:
// `tunnel: [ssh, gateway, nc, "%h", "%p"]`. %h and %p stand for host and port.
func tunnel(argv []string) dialFunc {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if !process.PlainHost(host) {
			return nil, errors.New("tunnel: the host has characters that a command could take for more than a host")
		}
		words := make([]string, len(argv))
		for i, w := range argv {
			words[i] = strings.NewReplacer("%h", host, "%p", port, "%%", "%").Replace(w)
		}
		ours, theirs, err := socketPair()
		if err != nil {
			return nil, fmt.Errorf("tunnel: %w", err)
		}
		defer theirs.Close()
		tail := &hook.Tail{}
		cmd := &process.Cmd{Args: words, Stdin: theirs, Stdout: theirs, Stderr: tail}
		stop, err := process.Start(cmd)
		if err != nil {
			_ = ours.Close()
			return nil, advice.Give(fmt.Errorf("tunnel: %w", err), advice.Tunnel)
		}
		return &tunnelConn{Conn: ours, stderr: tail, end: stop}, nil
	}
}

// tunnelConn is our end of a tunnel; closing it ends the command.
type tunnelConn struct {
	net.Conn
	stderr *hook.Tail
	end    func() // waits for the command, not for long
}

// Read adds what the command complained of to the end of the connection.
func (c *tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		err = c.complaint(err)
	}
	return n, err
}

// Write does the same where the command ended before it.
func (c *tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = c.complaint(err)
	}
	return n, err
}

// complaint is what the command said before it ended, or else err.
func (c *tunnelConn) complaint(err error) error {
	c.end() // then all that it had to say is there
	if said := c.stderr.Text(); said != "" {
		return advice.Give(fmt.Errorf("tunnel: %s", said), advice.Tunnel)
	}
	return err
}

// Close ends the connection and the command, and waits for it.
func (c *tunnelConn) Close() error {
	err := c.Conn.Close()
	c.end()
	return err
}

// HTTPProxy is a proxy as an HTTP client asks for it. This machine's own servers
// are reached without.
func HTTPProxy(p *config.Proxy) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		if host := req.URL.Hostname(); host == "localhost" || net.ParseIP(host).IsLoopback() {
			return nil, nil
		}
		u := &url.URL{Scheme: "http", Host: p.Server.String()}
		if !p.HTTP {
			u.Scheme = "socks5h"
		}
		if p.User != "" {
			password, err := proxyPassword(req.Context(), p)
			if err != nil {
				return nil, err
			}
			u.User = url.UserPassword(p.User, password)
		}
		return u, nil
	}
}
