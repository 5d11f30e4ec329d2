package target

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/web"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

// claimsPath is where the copies on a server are written down by all that deliver to it.
func claimsPath(s Site, kind, id string) string {
	path := state.Path(filepath.Join(s.StateDir, kind), id)
	return strings.TrimSuffix(path, filepath.Ext(path))
}

// opened is a reader, unless it could not be opened.
func opened[R proof.Copies](r R, err error) (proof.Copies, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// connect opens a connection, with TLS if that begins with it; once more with a small
// greeting if that was not answered, as a session with a POP3 server does.
func connect(ctx context.Context, server *pop3.Server) (net.Conn, *tls.ConnectionState, error) {
	conn, state, err := connectOnce(ctx, server)
	if e, ok := errors.AsType[*pop3.TLSError](err); ok && e.Unanswered {
		small := *server
		small.SmallHello = true
		return connectOnce(ctx, &small)
	}
	return conn, state, err
}

func connectOnce(ctx context.Context, server *pop3.Server) (net.Conn, *tls.ConnectionState, error) {
	conn, err := pop3.Connect(ctx, server)
	if err != nil || server.Security != pop3.ImplicitTLS {
		return conn, nil, err
	}
	return handshake(ctx, conn, server)
}

// handshake puts TLS on a connection, or closes it.
func handshake(ctx context.Context, conn net.Conn, server *pop3.Server) (net.Conn, *tls.ConnectionState, error) {
	secure, err := pop3.Handshake(ctx, conn, server)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	state := secure.ConnectionState()
	return secure, &state, nil
}

// webOptions are for a target that is reached by HTTP, the same way as all others:
// proxies, pins, client certificates and deadlines are those of the remote. Secured
// gets what TLS has agreed on; it may be nil.
func webOptions(s Site, r *config.Remote, secured func(*tls.ConnectionState)) (web.Options, error) {
	server, err := s.Server(r)
	if err != nil {
		return web.Options{}, err
	}
	dial := func(ctx context.Context, security pop3.Security, address string) (net.Conn, error) {
		own := *server.Server
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		own.Security, own.Host = security, host
		if own.Port, err = strconv.Atoi(port); err != nil {
			return nil, err
		}
		conn, state, err := connect(ctx, &own)
		if state != nil && secured != nil {
			secured(state)
		}
		return conn, err
	}
	return web.Options{
		Name: server.Host, Idle: server.Idle, Trace: server.Trace,
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dial(ctx, pop3.Plain, address)
		},
		DialTLS: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dial(ctx, pop3.ImplicitTLS, address)
		},
	}, nil
}

// origin is how the URLs of a server that is reached by HTTP begin: without the port if
// it is the usual one, as the server itself writes them.
func origin(r *config.Remote) string {
	scheme, usual := "https://", ":443"
	if r.Server.Security == pop3.Plain {
		scheme, usual = "http://", ":80"
	}
	return scheme + strings.TrimSuffix(r.Server.Address(), usual)
}
