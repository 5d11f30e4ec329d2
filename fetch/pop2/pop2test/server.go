// Package pop2test is a POP2 server (RFC 937) for tests: its state diagram, and the
// words of its examples.
package pop2test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Words are the texts of a server's replies, as those of fmt.
type Words struct{ Greeting, Hello, Folder, Length, Next, None, Bye string }

// Example1 and Example2 are the servers of the RFC's first two examples.
var (
	Example1 = Words{"+ POP2 USC-ISIF.ARPA Server", "#%d messages in your mailbox", "#%d messages",
		"=%d characters in message %d", "=%d characters in message %d", "=0 no more messages", "+ OK, bye, bye"}
	Example2 = Words{"+ POP2 ISI-VAXA.ARPA server here", "#%d messages", "#%d messages",
		"=%d characters in that message", "=%d characters in that message", "=0 no more messages", "+ bye, call again sometime."}
)

// Server is a POP2 server on a loopback port. Its fields are set before Start.
type Server struct {
	Drop           *pop3test.Maildrop
	Folders        map[string]*pop3test.Maildrop
	User, Password string
	Words          Words
	// Hasty carries deletions out at the end of a connection without QUIT, too: the
	// RFC leaves that open.
	Hasty bool
	// Change, if set, is called with each command before it is carried out; what it
	// returns, unless empty, is sent instead of the reply, and then the connection ends.
	Change func(command string) (instead string)
	// Body, if set, returns what is sent of a message.
	Body func(body []byte) []byte

	listener net.Listener
	mu       sync.Mutex
	log      []string
	conns    map[net.Conn]bool
	done     sync.WaitGroup
}

// Start starts a server of alice's that ends with the test.
func Start(t testing.TB, s *Server) *Server {
	t.Helper()
	if s.User == "" {
		s.User, s.Password = "alice", "secret"
	}
	if s.Words == (Words{}) {
		s.Words = Example1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.conns = l, make(map[net.Conn]bool)
	s.done.Add(1)
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Port is the port alone.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Count is how many commands, of all connections, begin with prefix.
func (s *Server) Count(prefix string) (n int) {
	for _, c := range s.Commands() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// Commands are those of all connections.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *Server) accept() {
	defer s.done.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.done.Go(func() {
			defer c.Close()
			(&session{s: s, in: bufio.NewReader(c), out: c}).run()
		})
	}
}

func (s *Server) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

// state is one of the diagram.
type state int

const (
	auth state = iota // AUTH: HELO, QUIT
	mbox              // MBOX: FOLD, READ, QUIT
	item              // ITEM: FOLD, READ, RETR, QUIT
	next              // NEXT: ACKS, ACKD, NACK
	done
)

type session struct {
	s       *Server
	in      *bufio.Reader
	out     net.Conn
	state   state
	drop    *pop3test.Maildrop
	msgs    []pop3test.Message
	gone    map[int]bool
	current int // number
}

func (c *session) run() {
	if c.s.Hasty {
		defer c.release()
	}
	c.say(c.s.Words.Greeting)
	for c.state != done {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		c.s.mu.Lock()
		c.s.log = append(c.s.log, line)
		c.s.mu.Unlock()
		if c.s.Change != nil {
			if instead := c.s.Change(line); instead != "" {
				_, _ = c.out.Write([]byte(instead))
				return
			}
		}
		c.command(line)
	}
}

func (c *session) say(format string, args ...any) {
	if strings.Count(format, "%") < len(args) {
		args = args[:strings.Count(format, "%")]
	}
	fmt.Fprintf(c.out, format+"\r\n", args...)
}

// wrong is the answer to what the diagram does not have.
func (c *session) wrong(text string) {
	c.say("- %s", text)
	c.state = done
}

func (c *session) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	switch {
	case verb == "QUIT" && c.state != next:
		c.release()
		c.say(c.s.Words.Bye)
		c.state = done
	case verb == "HELO" && c.state == auth:
		if words := split(arg); len(words) != 2 || words[0] != c.s.User || words[1] != c.s.Password {
			c.wrong("no such user or password: " + arg)
			return
		}
		c.open(c.s.Drop)
		c.say(c.s.Words.Hello, len(c.msgs))
	case verb == "FOLD" && (c.state == mbox || c.state == item):
		c.release()
		c.open(c.s.Folders[arg])
		c.say(c.s.Words.Folder, len(c.msgs))
	case verb == "READ" && (c.state == mbox || c.state == item):
		if arg != "" {
			c.current, _ = strconv.Atoi(arg)
		}
		c.state = item
		if c.size() == 0 && len(c.msgs) == 0 {
			c.state = done // example 3
			return
		}
		c.length(c.s.Words.Length)
	case verb == "RETR" && c.state == item && c.size() > 0:
		body := c.msgs[c.current-1].Body
		if c.s.Body != nil {
			body = c.s.Body(body)
		}
		_, _ = c.out.Write(body)
		c.state = next
	case c.state == next && slices.Contains([]string{"ACKS", "ACKD", "NACK"}, line):
		c.gone[c.current] = c.gone[c.current] || line == "ACKD"
		if line != "NACK" {
			c.current++
		}
		c.state = item
		c.length(c.s.Words.Next)
	default:
		c.wrong("not now: " + line)
	}
}

// split undoes the quoting of arguments.
func split(s string) []string {
	out, quoted := []string{""}, false
	for _, r := range s {
		switch {
		case !quoted && r == '\\':
			quoted = true
		case !quoted && r == ' ':
			out = append(out, "")
		default:
			out[len(out)-1] += string(r)
			quoted = false
		}
	}
	return out
}

func (c *session) open(d *pop3test.Maildrop) {
	c.state, c.drop, c.msgs, c.gone, c.current = mbox, d, nil, make(map[int]bool), 1
	if d != nil {
		c.msgs = d.Messages()
	}
}

func (c *session) size() int {
	if c.current < 1 || c.current > len(c.msgs) || c.gone[c.current] {
		return 0
	}
	return len(c.msgs[c.current-1].Body)
}

func (c *session) length(words string) {
	if n := c.size(); n > 0 {
		c.say(words, n, c.current)
		return
	}
	c.say(c.s.Words.None)
}

// release carries the deletions out.
func (c *session) release() {
	for num := range c.gone {
		if !c.gone[num] {
			continue
		}
		for i, m := range c.drop.Messages() {
			if m.UID == c.msgs[num-1].UID {
				c.drop.Remove(i)
				break
			}
		}
	}
	c.gone = make(map[int]bool)
}
