package fetch_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A liar is a server that breaks one thing a connection, after a script, and is
// well behaved afterwards: the honest twin that takes over its mailbox.

// lieKind is what a server does wrong in one session, each seen in the field.
type lieKind uint8

const (
	honest       lieKind = iota
	noStuffing           // no message is dot-stuffed: one with a lone dot ends there, and its rest reads as replies
	earlyEnd             // message n ends in its middle, and -ERR follows: all replies are one late
	replyInside          // the reply to the next RETR begins in the middle of message n
	hangUp               // message n makes it hang up
	halfway              // it hangs up in the middle of message n
	silence              // message n makes it fall silent
	garble               // the reply to RETR n is no reply
	surrogate            // a notice is sent in place of message n
	uidlRefused          // UIDL is refused, though CAPA announces it
	topRefused           // TOP is refused for message n
	uidsChanged          // every unique-id is another from now on
	uidsOfHeader         // unique-ids are a hash of the header from now on, and a message with an old header and a new body comes in
	blankLines           // an empty line comes before each status line
	deletesLate          // deletions are carried out a moment after QUIT's reply
	limited              // from message n on RETR is refused: the day's limit is reached
	lieKinds
)

// lie is one session's: its kind, and the message that it concerns, from 0.
type lie struct {
	kind lieKind
	n    int
}

// script reads the lies of a fuzzer's bytes, two a connection, at most four.
func script(data []byte) (lies []lie) {
	for ; len(data) >= 2 && len(lies) < 4; data = data[2:] {
		told := lie{lieKind(data[0]) % lieKinds, int(data[1]) % liarLetters}
		lies = append(lies, told)
	}
	return lies
}

// liarLetters is how many messages a liar's mailbox has at first.
const liarLetters = 6

// letterIn is one message of a liar's mailbox.
type letterIn struct {
	uid  string
	body []byte
	gone bool
}

type liar struct {
	mu      sync.Mutex
	letters []*letterIn
	lies    []lie // of the next connections
	hashed  bool
}

// newLiar fills a mailbox. The message with a lone dot, behind which a sender
// wrote a reply and a message, is the one that the first lie concerns.
func newLiar(lies []lie) *liar {
	l := &liar{lies: lies}
	dotted := 0
	if len(lies) > 0 {
		dotted = lies[0].n
	}
	for i := range liarLetters {
		text := fmt.Sprintf("Message-ID: <%d@liar.example>\r\nSubject: number %d\r\n\r\n", i, i)
		for line := range 60 * (i + 1) {
			text += fmt.Sprintf("line %d of message %d\r\n", line, i)
			if i == dotted && line == 20 {
				text += ".\r\n+OK 40 octets\r\nSubject: a ghost\r\n\r\nplanted\r\n.\r\n"
			}
		}
		l.letters = append(l.letters, &letterIn{uid: fmt.Sprintf("uid-%d", i), body: []byte(text)})
	}
	return l
}

// dial serves one more connection.
func (l *liar) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &liarSession{box: l, conn: server, heard: make(chan string, 1<<12)}
	if len(l.lies) > 0 {
		s.lie, l.lies = l.lies[0], l.lies[1:]
	}
	go s.listen()
	go s.serve()
	return client, nil
}

// left are the messages still in the mailbox.
func (l *liar) left() (out []*letterIn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.letters {
		if !m.gone {
			out = append(out, m)
		}
	}
	return out
}

type liarSession struct {
	box    *liar
	lie    lie
	conn   net.Conn
	heard  chan string // a pipe has no buffer: the client may send while we do
	list   []*letterIn
	delete []*letterIn
	skip   int // commands that were answered ahead
}

func (s *liarSession) listen() {
	defer close(s.heard)
	for lines := bufio.NewScanner(s.conn); lines.Scan(); {
		s.heard <- strings.TrimSpace(lines.Text())
	}
}

func (s *liarSession) serve() {
	defer s.conn.Close()
	s.list = s.box.left()
	s.begin()
	s.say("+OK liar ready\r\n")
	for line := range s.heard {
		if s.skip > 0 {
			s.skip--
			continue
		}
		if !s.answer(strings.Fields(line)) {
			break
		}
	}
}

// begin does what a lie changes for good.
func (s *liarSession) begin() {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	switch s.lie.kind {
	case uidsChanged:
		for _, m := range s.box.letters {
			m.uid = "new-" + m.uid
		}
	case uidsOfHeader:
		s.box.hashed = true
	}
}

func (s *liarSession) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.lie.kind == blankLines && (strings.HasPrefix(text, "+OK") || strings.HasPrefix(text, "-ERR")) {
		text = "\r\n" + text
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Hour))
	_, _ = s.conn.Write([]byte(text)) // a client that is gone is noticed when it is heard
}

// answer answers one command; false: the session is over.
func (s *liarSession) answer(words []string) bool {
	arg, verb := "", ""
	if len(words) > 0 {
		verb = strings.ToUpper(words[0])
	}
	if len(words) > 1 {
		arg = words[1]
	}
	switch verb {
	case "CAPA":
		s.say("+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n")
	case "STAT":
		s.say("+OK %d %d\r\n", len(s.list), 1000*len(s.list))
	case "LIST":
		s.lines(func(m *letterIn) string { return strconv.Itoa(len(m.body)) })
	case "UIDL":
		if s.lie.kind == uidlRefused {
			s.say("-ERR not now\r\n")
		} else {
			s.lines(s.box.uid)
		}
	case "RETR", "TOP", "DELE":
		return s.message(verb, arg)
	case "RSET":
		s.delete = nil
		s.say("+OK\r\n")
	case "QUIT":
		s.quit()
		return false
	case "USER", "PASS", "NOOP":
		s.say("+OK\r\n")
	default:
		s.say("-ERR unknown\r\n")
	}
	return true
}

func (l *liar) uid(m *letterIn) string {
	if l.hashed {
		head, _, _ := bytes.Cut(m.body, []byte("\r\n\r\n"))
		return fmt.Sprintf("%x", md5.Sum(head))
	}
	return m.uid
}

func (s *liarSession) lines(of func(*letterIn) string) {
	text := "+OK\r\n"
	for i, m := range s.list {
		if !slices.Contains(s.delete, m) {
			text += fmt.Sprintf("%d %s\r\n", i+1, of(m))
		}
	}
	s.say("%s.\r\n", text)
}

func (s *liarSession) message(verb, arg string) bool {
	num, _ := strconv.Atoi(arg)
	if num < 1 || num > len(s.list) || slices.Contains(s.delete, s.list[num-1]) {
		s.say("-ERR no such message\r\n")
		return true
	}
	switch m := s.list[num-1]; {
	case verb == "DELE":
		s.delete = append(s.delete, m)
		s.say("+OK\r\n")
	case verb == "TOP" && s.lie.kind == topRefused && num-1 == s.lie.n:
		s.say("-ERR internal error\r\n")
	case verb == "TOP":
		head, _, _ := strings.Cut(string(m.body), "\r\n\r\n")
		s.say("+OK\r\n%s\r\n\r\n.\r\n", head)
	default:
		return s.retrieve(num-1, m)
	}
	return true
}

func (s *liarSession) retrieve(i int, m *letterIn) bool {
	if s.lie.kind == limited && i >= s.lie.n {
		s.say("-ERR [SYS/TEMP] you have reached the daily download limit\r\n")
		return true
	}
	body := string(m.body)
	if s.lie.kind != noStuffing {
		body = strings.TrimPrefix(strings.ReplaceAll("\r\n"+body, "\r\n.", "\r\n.."), "\r\n")
	}
	half := strings.Index(body[len(body)/2:], "\r\n") + len(body)/2 + 2
	status := fmt.Sprintf("+OK %d octets\r\n", len(m.body))
	if i != s.lie.n {
		s.say("%s%s.\r\n", status, body)
		return true
	}
	switch s.lie.kind {
	case earlyEnd:
		s.say("%s%s.\r\n-ERR failed to send the message\r\n", status, body[:half])
	case replyInside:
		if i+1 == len(s.list) {
			s.say("%s%s.\r\n", status, body) // there is no next reply
			break
		}
		s.say("%s%s+OK 5 octets\r\n%s.\r\n%s.\r\n", status, body[:half], s.list[i+1].body, body[half:])
		s.skip = 1
	case hangUp:
		return false
	case halfway:
		s.say("%s%s", status, body[:half])
		return false
	case silence:
		for range s.heard { // until the client is gone
		}
		return false
	case garble:
		s.say("\x00\xff nonsense\r\n")
	case surrogate:
		s.say("+OK 200 octets\r\nFrom: postmaster\r\nSubject: Cannot display Unicode content\r\n\r\nThis message needs UTF8.\r\n.\r\n")
	default:
		s.say("%s%s.\r\n", status, body)
	}
	return true
}

func (s *liarSession) quit() {
	s.say("+OK bye\r\n")
	if s.lie.kind == deletesLate {
		time.Sleep(time.Second) // of a bubble's clock
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	for _, m := range s.delete {
		m.gone = true
	}
	if s.lie.kind == uidsOfHeader {
		old := s.box.letters[s.lie.n]
		head, _, _ := strings.Cut(string(old.body), "\r\n\r\n")
		s.box.letters = append(s.box.letters, &letterIn{
			uid:  fmt.Sprintf("later-%d", len(s.box.letters)),
			body: fmt.Appendf(nil, "%s\r\n\r\nbody %d\r\n%s", head, len(s.box.letters), strings.Repeat("a line\r\n", 200)),
		})
	}
}
