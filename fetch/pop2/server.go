package pop2

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// server is the side of POP2: one command, one reply.
type server struct {
	conn   net.Conn
	in     *bufio.Reader
	trace  func(sent bool, line string)
	wait   time.Duration // for a reply; 0: without end
	secret string        // never repeated
}

// errUnasked means that the server said something between two commands.
var errUnasked = &pop3.ProtocolError{Command: "reply", Problem: "sent what no command asked for"}

// refusal is a reply of the server that begins with "-".
type refusal string

func (r refusal) Error() string { return string(r) }

// renew gives the server the time for one reply.
func (s *server) renew() error {
	if s.wait == 0 {
		return s.conn.SetDeadline(time.Time{})
	}
	return s.conn.SetDeadline(time.Now().Add(s.wait))
}

// greet reads the greeting.
func (s *server) greet() (string, error) {
	line, err := s.line()
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "-"):
		return "", refusal(line[1:])
	case !strings.HasPrefix(line, "+") || strings.HasPrefix(line, "+OK"):
		return "", &pop3.ProtocolError{Command: "greeting", Problem: "not a POP2 greeting", Text: printable(line)}
	}
	return line[1:], nil
}

// ask sends a command whose reply begins with a mark, "#" and "=" with a number behind
// it. The error is a refusal if it begins with "-".
func (s *server) ask(command string, mark byte) (n int64, err error) {
	if err := s.send(command, command); err != nil {
		return 0, err
	}
	name, _, _ := strings.Cut(command, " ")
	return s.answer(name, mark)
}

func (s *server) send(command, shown string) error {
	const most = 512 // RFC 937, Sizes
	if len(command)+2 > most {
		return refusal("the command is longer than POP2 allows")
	}
	if s.in.Buffered() > 0 {
		return errUnasked
	}
	if err := s.renew(); err != nil {
		return err
	}
	s.trace(true, printable(shown))
	_, err := io.WriteString(s.conn, command+"\r\n")
	return err
}

// answer reads the reply to a command.
func (s *server) answer(name string, mark byte) (n int64, err error) {
	line, err := s.line()
	switch {
	case err != nil:
		return 0, err
	case strings.HasPrefix(line, "-"):
		return 0, refusal(line[1:])
	case mark == '+' && strings.HasPrefix(line, "+"):
		return 0, nil
	case line != "" && line[0] == mark:
		end := len(line) - len(strings.TrimLeft(line[1:], "0123456789"))
		if n, err = strconv.ParseInt(line[1:end], 10, 40); err == nil {
			return n, nil
		}
	}
	return 0, &pop3.ProtocolError{Command: name, Problem: "not a reply of POP2 to it", Text: printable(line)}
}

// line reads one line, without its end and the password.
func (s *server) line() (string, error) {
	b, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", &pop3.ProtocolError{Command: "reply", Problem: "line too long"}
	}
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(b), "\r\n")
	if len(s.secret) > 2 { // a shorter one would be revealed by its absence
		line = strings.ReplaceAll(line, s.secret, "****")
	}
	s.trace(false, printable(line))
	return line, nil
}

// message reads the octets of a message and hands them to f.
func (s *server) message(size int64, f func(p []byte)) error {
	buf := make([]byte, progress)
	for size > 0 {
		p := buf[:min(size, progress)]
		if err := s.renew(); err != nil {
			return err
		}
		if _, err := io.ReadFull(s.in, p); err != nil {
			return err
		}
		f(p)
		size -= int64(len(p))
	}
	return nil
}

// printable makes a foreign text safe for a terminal and a log, and cuts it.
func printable(s string) string {
	const most = 300
	q := strconv.Quote(s[:min(len(s), most)])
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// final is for a refusal where a POP3 server could not refuse any more.
func final(err error) error {
	if r := refusal(""); errors.As(err, &r) {
		return &pop3.ProtocolError{Command: "ACKS", Problem: "refused", Text: printable(string(r))}
	}
	return err
}
