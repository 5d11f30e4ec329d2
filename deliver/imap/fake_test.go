package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/login"
)

// fake is an IMAP server with one mailbox in memory, of which a test says what goes
// wrong. Its fields are set before the first connection.
type fake struct {
	caps string
	// before is called when an APPEND is announced, before "+"; n counts commands from
	// 1. after is called with the messages in place of storing them and answering.
	before func(s *fakeSession, n int) (handled bool)
	after  func(s *fakeSession, n int, msgs []fakeMessage) (handled bool)
	// on is called for each command line that is not an APPEND.
	on func(s *fakeSession, line string) (handled bool)
	// change is what the server makes of a message that it stores.
	change   func([]byte) []byte
	noUID    bool // no APPENDUID
	noBox    bool // the mailbox is not there until CREATE
	greeting string

	mu       sync.Mutex
	mail     []fakeMessage
	validity uint32
	next     uint32
	appends  int
	sessions int
	log      []string
	conns    map[net.Conn]bool
	ln       net.Listener
}

type fakeMessage struct {
	uid   uint32
	text  []byte
	date  string
	flags string
}

type fakeSession struct {
	f    *fake
	nc   net.Conn
	br   *bufio.Reader
	tag  string
	dead bool
}

const fakeCaps = "IMAP4rev1 LITERAL+ MULTIAPPEND UIDPLUS NAMESPACE"

func startFake(t testing.TB, f *fake) *fake {
	t.Helper()
	var err error
	if f.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.validity, f.next = 7, 1
	if f.caps == "" {
		f.caps = fakeCaps
	}
	var wg sync.WaitGroup
	f.conns = make(map[net.Conn]bool)
	wg.Go(func() {
		for {
			nc, err := f.ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[nc] = true
			f.sessions++
			f.mu.Unlock()
			wg.Go(func() { (&fakeSession{f: f, nc: nc, br: bufio.NewReader(nc)}).serve() })
		}
	})
	t.Cleanup(func() {
		f.ln.Close()
		f.endAll()
		wg.Wait()
	})
	return f
}

// endAll ends all sessions, as a server does that waits for nobody for ever.
func (f *fake) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.conns {
		_, _ = nc.Write([]byte("* BYE Disconnected for inactivity.\r\n"))
		nc.Close()
	}
	clear(f.conns)
}

// options are those of a client, quick to give up.
func (f *fake) options() Options {
	addr := f.ln.Addr().(*net.TCPAddr)
	return Options{
		Host: "127.0.0.1", Port: addr.Port, Secure: true, Timeout: 2 * time.Second, AppendTimeout: 2 * time.Second,
		Settle: 50 * time.Millisecond,
		Connect: func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
			return nc, nil, err
		},
		Logins: []login.Login{{Mechanism: "LOGIN", Clear: true, User: "alice",
			Password: func(context.Context) (string, error) { return "secret", nil }}},
	}
}

func (s *fakeSession) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.nc, format+"\r\n", args...)
}

// end closes the connection without a word.
func (s *fakeSession) end() { s.dead = true; s.nc.Close() }

// literals at the end of a command line.
var literalEnd = regexp.MustCompile(`\{(\d+)(\+?)\}$`)

func (s *fakeSession) serve() {
	defer s.nc.Close()
	if s.f.greeting != "" {
		s.say("%s", s.f.greeting)
	} else {
		s.say("* OK [CAPABILITY %s] ready", s.f.caps)
	}
	for !s.dead {
		line, err := s.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.tag = tag
		s.f.mu.Lock()
		s.f.log = append(s.f.log, rest)
		s.f.mu.Unlock()
		if strings.HasPrefix(rest, "APPEND ") {
			s.append(rest)
			continue
		}
		if s.f.on != nil && s.f.on(s, rest) {
			continue
		}
		s.command(rest)
	}
}

func (s *fakeSession) command(line string) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	verb, args, _ := strings.Cut(line, " ")
	switch verb {
	case "CAPABILITY":
		s.say("* CAPABILITY %s", s.f.caps)
	case "NAMESPACE":
		s.say(`* NAMESPACE (("" "/")) NIL NIL`)
	case "CREATE":
		s.f.noBox = false
	case "STATUS":
		if s.f.noBox {
			s.say("%s NO no such mailbox", s.tag)
			return
		}
		s.say(`* STATUS INBOX (UIDVALIDITY %d UIDNEXT %d)`, s.f.validity, s.f.next)
	case "EXAMINE", "SELECT":
		s.say("* %d EXISTS", len(s.f.mail))
		s.say("* OK [UIDVALIDITY %d] .", s.f.validity)
		s.say("* OK [UIDNEXT %d] .", s.f.next)
		s.say(`* OK [PERMANENTFLAGS (\Seen $Kept)] .`)
	case "UID":
		s.fetch(args)
	case "LOGOUT":
		s.say("* BYE")
		s.say("%s OK", s.tag)
		s.end()
		return
	}
	s.say("%s OK done", s.tag)
}

func (s *fakeSession) fetch(args string) {
	set := strings.Fields(args)[1]
	for i, m := range s.f.mail {
		if !inSet(set, m.uid, i == len(s.f.mail)-1) {
			continue
		}
		if strings.Contains(args, "BODY.PEEK[])") {
			s.say("* %d FETCH (BODY[] {%d}\r\n%s UID %d)", i+1, len(m.text), m.text, m.uid)
			continue
		}
		if strings.Contains(args, "BODY.PEEK[HEADER])") {
			head, _, _ := bytes.Cut(m.text, []byte("\r\n\r\n"))
			s.say("* %d FETCH (UID %d BODY[HEADER] {%d}\r\n%s\r\n\r\n)", i+1, m.uid, len(head)+4, head)
			continue
		}
		id := regexp.MustCompile(`(?im)^message-id:.*\r\n`).Find(m.text)
		s.say("* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE %s BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s\r\n)",
			i+1, m.uid, len(m.text), m.date, len(id)+2, id)
	}
}

func inSet(set string, uid uint32, last bool) bool {
	for _, part := range strings.Split(set, ",") {
		from, to, many := strings.Cut(part, ":")
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		if !many && uint32(a) == uid || uint32(a) <= uid && uid <= uint32(b) || to == "*" && (uid >= uint32(a) || last) {
			return true
		}
	}
	return false
}

// append reads an APPEND with one message or several.
func (s *fakeSession) append(line string) {
	s.f.mu.Lock()
	s.f.appends++
	n := s.f.appends
	s.f.mu.Unlock()
	var msgs []fakeMessage
	for {
		m := literalEnd.FindStringSubmatch(line)
		if m == nil {
			break
		}
		if len(msgs) == 0 && s.f.before != nil && s.f.before(s, n) {
			return
		}
		if m[2] == "" {
			s.say("+ go")
		}
		size, _ := strconv.Atoi(m[1])
		text := make([]byte, size)
		if _, err := io.ReadFull(s.br, text); err != nil {
			s.end()
			return
		}
		date := regexp.MustCompile(`"[^"]*" \{`).FindString(line)
		flags := regexp.MustCompile(`\([^)]*\)`).FindString(line)
		msgs = append(msgs, fakeMessage{text: text, date: strings.TrimSuffix(date, " {"), flags: flags})
		rest, err := s.br.ReadString('\n')
		if err != nil {
			s.end()
			return
		}
		line = strings.TrimRight(rest, "\r\n")
	}
	if s.f.after != nil && s.f.after(s, n, msgs) {
		return
	}
	s.ok(s.store(msgs))
}

// store puts messages into the mailbox and returns their UIDs.
func (s *fakeSession) store(msgs []fakeMessage) (uids []string) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, m := range msgs {
		m.uid = s.f.next
		if s.f.change != nil {
			m.text = s.f.change(m.text)
		}
		s.f.next++
		s.f.mail = append(s.f.mail, m)
		uids = append(uids, strconv.Itoa(int(m.uid)))
	}
	return uids
}

func (s *fakeSession) ok(uids []string) {
	if s.f.noUID {
		s.say("%s OK done", s.tag)
		return
	}
	s.say("%s OK [APPENDUID %d %s] done", s.tag, s.f.validity, strings.Join(uids, ","))
}

// texts are the messages in the mailbox, with LF line ends.
func (f *fake) texts() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mail {
		out = append(out, string(bytes.ReplaceAll(m.text, []byte("\r\n"), []byte("\n"))))
	}
	return out
}
