package pop3test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Server is a POP3 server on a loopback port.
type Server struct {
	// Host and Port are where it listens, set once it is started.
	Host string
	Port int
	// CA signs the server's certificate.
	CA *CA

	drop     *Maildrop
	opts     Options
	tls      *tls.Config
	listener net.Listener
	done     chan struct{}
	wg       sync.WaitGroup

	mu        sync.Mutex
	conns     map[net.Conn]bool
	closed    bool
	accepted  int
	sessions  int
	commands  []string
	awaited   []*awaited
	matched   []int
	lastLogin time.Time
}

// NewServer starts a server over drop. The caller must Close it.
func NewServer(drop *Maildrop, o Options) *Server {
	s := NewUnstartedServer(drop, o)
	s.Start()
	return s
}

// NewUnstartedServer makes a server that listens only after Start.
func NewUnstartedServer(drop *Maildrop, o Options) *Server {
	o = o.withDefaults()
	s := &Server{drop: drop, opts: o, CA: o.CA,
		done: make(chan struct{}), conns: map[net.Conn]bool{}, matched: make([]int, len(o.Faults))}
	if s.CA == nil {
		s.CA = NewCA()
	}
	s.tls = s.tlsConfig()
	return s
}

func (s *Server) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: s.opts.ClientAuth, ClientCAs: s.CA.CertPool()}
	if s.opts.Certificate != nil {
		c.Certificates = []tls.Certificate{*s.opts.Certificate}
	} else {
		c.Certificates = []tls.Certificate{s.CA.Leaf("localhost", "127.0.0.1", "::1")}
	}
	if s.opts.TLS != nil {
		s.opts.TLS(c)
	}
	return c
}

// Start listens on a free port of 127.0.0.1.
func (s *Server) Start() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("pop3test: listen: %v", err))
	}
	s.listener = l
	addr := l.Addr().(*net.TCPAddr)
	s.Host, s.Port = addr.IP.String(), addr.Port
	s.wg.Go(s.accept)
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.ServeConn(conn)
	}
}

// ServeConn serves one connection in a goroutine of its own, for tests over
// net.Pipe; it also works on a server that was never started.
func (s *Server) ServeConn(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return
	}
	s.conns[conn] = true
	s.accepted++
	s.wg.Go(func() {
		newSession(s, conn).serve()
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	})
}

// Addr is "host:port".
func (s *Server) Addr() string {
	return net.JoinHostPort(s.Host, fmt.Sprint(s.Port))
}

// URL is a source as the --from flag takes it, for user Options.User.
func (s *Server) URL() string {
	scheme := [...]string{ImplicitTLS: "pop3s", STLS: "pop3", Plain: "pop3+plain"}[s.opts.Security]
	return scheme + "://" + s.opts.User + "@" + s.Addr()
}

// RootPEM is the root certificate that a client has to trust.
func (s *Server) RootPEM() []byte { return s.CA.RootPEM() }

// CertPool holds the root certificate that a client has to trust.
func (s *Server) CertPool() *x509.CertPool { return s.CA.CertPool() }

// Close stops listening, ends all sessions and stalls without UPDATE, and
// waits for their goroutines. It may be called again.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
		if s.listener != nil {
			s.listener.Close()
		}
		for c := range s.conns {
			c.Close()
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Commands returns each line received so far, over all connections, secrets
// included, without its line end. Responses to SASL challenges are lines too.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Count is the number of received lines that On == prefix would match.
func (s *Server) Count(prefix string) int {
	n := 0
	for _, line := range s.Commands() {
		if matches(prefix, line) {
			n++
		}
	}
	return n
}

// awaited is what a test waits for.
type awaited struct {
	prefix   string
	left     int // lines still to come
	received chan struct{}
}

// Received returns a channel that is closed once n more lines that Count would
// count are received. n is 1 or more.
func (s *Server) Received(prefix string, n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &awaited{prefix, n, make(chan struct{})}
	s.awaited = append(s.awaited, a)
	return a.received
}

// Sessions is the number of successful logins so far.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Connections is the number of connections accepted so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Open is the number of connections open now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) record(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, line)
	for _, a := range s.awaited {
		if matches(a.prefix, line) {
			if a.left--; a.left == 0 {
				close(a.received)
			}
		}
	}
}

// match counts event, which names the message with that uid, against each fault
// and returns those that apply now.
func (s *Server) match(event, uid string) []Fault {
	if len(s.opts.Faults) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var hit []Fault
	for i, f := range s.opts.Faults {
		if !matches(f.On, event) || f.UID != "" && f.UID != uid {
			continue
		}
		s.matched[i]++
		nth := max(f.Nth, 1)
		if s.matched[i] == nth || (f.Always && s.matched[i] > nth) {
			hit = append(hit, f)
		}
	}
	return hit
}

// update deletes what a session marked, at once or late.
func (s *Server) update(gone, popped map[int]bool) {
	if s.opts.DeleteLate == 0 {
		s.drop.update(gone, popped)
		return
	}
	s.wg.Go(func() {
		t := time.NewTimer(s.opts.DeleteLate)
		defer t.Stop()
		select {
		case <-t.C:
			s.drop.update(gone, popped)
		case <-s.done:
		}
	})
}

// admit counts a login, or refuses one that comes too early.
func (s *Server) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if d := s.opts.LoginDelay; d > 0 && !s.lastLogin.IsZero() && now.Sub(s.lastLogin) < d {
		return false
	}
	s.lastLogin = now
	s.sessions++
	return true
}

// matches reports whether event begins with the words of on, in any case.
// "RETR 3" matches "retr 3", not "RETR 30". Empty matches every command, but
// none of the events that are not commands.
func matches(on, event string) bool {
	if on == "" {
		return event != "connect" && event != "greeting" && event != "tls" && event != "login"
	}
	if len(event) < len(on) || !strings.EqualFold(event[:len(on)], on) {
		return false
	}
	return len(event) == len(on) || event[len(on)] == ' '
}
