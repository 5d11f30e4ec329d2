package gmailtest

import (
	"net"
	"net/http"
	"sync"
	"testing"
)

// Pipe serves it in this process alone, without the network: for tests of time. Dial
// opens a connection.
func (s *Server) Pipe(t testing.TB) (dial func() (net.Conn, error)) {
	l := &pipe{conns: make(chan net.Conn), done: make(chan struct{})}
	h := &http.Server{Handler: s}
	go func() { _ = h.Serve(l) }()
	t.Cleanup(func() { _ = h.Close() })
	return l.dial
}

type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipe) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements net.Listener.
func (*pipe) Addr() net.Addr { return &net.TCPAddr{} }
