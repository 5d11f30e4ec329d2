package pop3test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// maxLine bounds a received line; SASL responses with long tokens are the
// longest (RFC 5034 section 4).
const maxLine = 64 << 10

// maxHandshake bounds a TLS handshake.
const maxHandshake = 30 * time.Second

var (
	errQuit    = errors.New("session ended")
	errTooLong = errors.New("line too long")
)

// session is one connection, served by one goroutine.
type session struct {
	srv  *Server
	opts *Options
	raw  net.Conn
	conn net.Conn
	br   *bufio.Reader
	out  *replyWriter
	tls  *tls.ConnectionState

	stamp    string // APOP's
	user     string // given to USER
	utf8     bool
	loggedIn bool
	list     []*stored
	deleted  map[int]bool
	popped   map[int]bool
}

func newSession(s *Server, conn net.Conn) *session {
	return &session{srv: s, opts: &s.opts, raw: conn, conn: conn,
		br: bufio.NewReaderSize(conn, maxLine), out: newReplyWriter(conn, s.done),
		deleted: map[int]bool{}, popped: map[int]bool{}}
}

// serve runs the session to its end. Errors end it; there is nobody to tell.
func (s *session) serve() {
	defer func() {
		if s.loggedIn {
			s.srv.drop.release()
		}
	}()
	if s.begin("connect") || s.out.end() != nil {
		s.out.flush()
		return
	}
	if s.opts.Security == ImplicitTLS && s.handshake() != nil {
		return
	}
	if s.greet() != nil {
		return
	}
	var err error
	for err == nil {
		err = s.command()
	}
	s.out.flush()
	if errors.Is(err, errQuit) {
		s.conn.Close() // with close_notify, unlike every other end
	}
}

// begin starts the reply to event and reports whether a fault replaced it.
func (s *session) begin(event string) bool {
	return s.out.begin(event, s.srv.match(event, ""))
}

func (s *session) handshake() error {
	if s.begin("tls") {
		s.out.flush()
		return errHangUp
	}
	if err := s.out.flush(); err != nil {
		return err
	}
	conn := tls.Server(s.conn, s.srv.tls)
	ctx, cancel := context.WithTimeout(context.Background(), maxHandshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	state := conn.ConnectionState()
	s.tls, s.conn = &state, conn
	s.br.Reset(conn)
	s.out.upgrade(conn)
	return nil
}

func (s *session) greet() error {
	text := "+OK " + s.opts.Greeting
	if s.opts.APOP {
		s.stamp = s.opts.Stamp
		if s.stamp == "" {
			s.stamp = "<" + rand.Text() + "@pop3test.example>"
		}
		text += " " + s.stamp
	}
	s.out.pause(s.opts.Delay)
	if !s.begin("greeting") {
		s.line("%s", text)
	}
	s.out.end()
	return s.out.flush()
}

// command reads one command and answers it. Replies to commands that came in
// one segment leave in one segment.
func (s *session) command() error {
	line, err := s.readLine()
	if err != nil {
		return err
	}
	s.out.pause(s.opts.Delay)
	faults := slices.DeleteFunc(s.srv.match(line, s.uidOf(line)), func(f Fault) bool { return f.Do.pipelined && s.br.Buffered() == 0 })
	for _, f := range faults {
		if f.Do.kind == doHangUpOnPipelining && s.br.Buffered() > 0 {
			s.out.flush()
			s.out.hangUp()
			return errHangUp
		}
	}
	if !s.out.begin(line, faults) {
		err = s.dispatch(line)
	}
	if s.out.end() != nil {
		return s.out.err
	}
	return err
}

// readLine reads one line, without its end, and sends what is still buffered
// before it waits.
func (s *session) readLine() (string, error) {
	if s.br.Buffered() == 0 || s.opts.Delay > 0 {
		if err := s.out.flush(); err != nil {
			return "", err
		}
		s.raw.SetReadDeadline(time.Now().Add(s.opts.Idle))
	}
	b, err := s.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.line("-ERR line too long")
		s.out.flush()
		return "", errTooLong
	}
	if err != nil {
		return "", err
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	s.srv.record(line)
	return line, nil
}

// line writes one reply line.
func (s *session) line(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\r\n", args...)
}

func (s *session) dispatch(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	switch verb {
	case "QUIT":
		return s.quit()
	case "CAPA":
		s.capa()
	case "NOOP":
		s.line("+OK")
	case "LANG":
		s.line("-ERR no languages")
	default:
		if s.loggedIn {
			s.transaction(verb, arg)
			return nil
		}
		return s.authorization(verb, arg)
	}
	return nil
}

func (s *session) quit() error {
	if s.loggedIn {
		if len(s.deleted) > 0 && s.opts.DeleteSlowly > 0 && !s.stays(s.opts.DeleteSlowly) {
			return errHangUp
		}
		s.srv.update(s.deleted, s.popped)
		s.srv.drop.release() // before the reply: who has it may log in again
		s.loggedIn = false
	}
	s.line("+OK bye")
	return errQuit
}

// stays waits and reports whether the client is still there then.
func (s *session) stays(d time.Duration) bool {
	s.out.flush()
	s.out.pause(d)
	s.raw.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := s.br.Peek(1)
	return s.out.err == nil && errors.Is(err, os.ErrDeadlineExceeded)
}

func (s *session) capa() {
	if s.opts.NoCAPA {
		s.line("-ERR unknown command")
		return
	}
	lines := s.capabilities()
	s.line("+OK capabilities follow")
	for _, c := range lines {
		s.line("%s", c)
	}
	s.line(".")
}

// capabilities are what CAPA lists now (RFC 2449 section 5): they differ
// before TLS, before login and after it.
func (s *session) capabilities() []string {
	o := s.opts
	if s.loggedIn && o.CapaAfterLogin != nil {
		return o.CapaAfterLogin
	}
	if o.Capa != nil {
		return o.Capa
	}
	lines := []string{"RESP-CODES", "AUTH-RESP-CODE"}
	add := func(when bool, line string) {
		if when {
			lines = append(lines, line)
		}
	}
	add(!o.NoTOP, "TOP")
	add(!o.NoUIDL, "UIDL")
	add(!o.NoPipelining, "PIPELINING")
	add(o.Security == STLS && s.tls == nil && !s.loggedIn, "STLS")
	add(!o.NoUSER && s.mayLogIn(), "USER")
	add(len(o.Mechanisms) > 0 && s.mayLogIn(), "SASL "+strings.Join(o.Mechanisms, " "))
	add(o.LoginDelay > 0, fmt.Sprintf("LOGIN-DELAY %d", int(o.LoginDelay.Seconds())))
	add(o.Expire != "", "EXPIRE "+o.Expire)
	add(o.UTF8 != NoUTF8, "UTF8")
	return append(lines, "IMPLEMENTATION pop3test")
}
