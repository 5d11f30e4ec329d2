package fetch_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// breaker is a maildrop behind servers that break stuffing, order or counts.
type breaker struct {
	rng    *rand.Rand
	habits habits
	mail   []letter // by message number, those that are deleted too
}

// habits are what one server does wrong.
type habits struct {
	pipelining  bool
	stuffing    string // "", "none", "lone": only the lone dot is doubled
	sizes       string // "", "lf", "wire": with the terminator, "guess"
	announces   string // "", "size", "guess"
	late, early bool   // -ERR behind a body that was cut; +OK of the next in a body
	swap, twice bool   // answers two RETR in the other order; an answer twice
	skip, short bool   // no answer; less than the size
	often       float64
}

// letter is one message, with CRLF, and whether the server stumbles over it
// each time.
type letter struct {
	uid    string
	text   []byte
	cursed bool
	gone   bool
}

func newBreaker(seed uint64) *breaker {
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	b := &breaker{rng: rng, habits: habits{
		pipelining: rng.IntN(2) == 0,
		stuffing:   pick("", "", "none", "none", "lone"),
		sizes:      pick("", "", "lf", "wire", "guess"),
		announces:  pick("", "size", "size", "guess"),
		often:      rng.Float64() * rng.Float64() / 2,
	}}
	h := &b.habits
	switch defect := rng.IntN(8); {
	case h.stuffing != "" && defect < 6:
	case defect < 2:
		h.late = true
	case defect == 2:
		h.early = true
	case defect == 3 && h.sizes != "guess":
		h.swap = true
	case defect == 4:
		h.twice = true
	case defect == 5:
		h.skip = true
	case defect == 6 && h.sizes != "guess":
		h.short = true // with guesses nobody could know, nor of swap
	}
	for i := range 4 + rng.IntN(12) {
		b.mail = append(b.mail, letter{uid: fmt.Sprintf("u%02d-%d", i, seed), text: b.text(i), cursed: rng.IntN(5) == 0})
	}
	return b
}

// text is a message that may be a trap.
func (b *breaker) text(i int) []byte {
	t := fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: %d\r\n\r\n", i, i)
	traps := []string{".", ".", ".hidden", "+OK 77 octets", "+OK", "-ERR no", "+OK 3 300", ".", "Subject: ghost", ""}
	if b.habits.sizes != "guess" { // else nobody can know that a dot is missing
		traps = append(traps, "..", "..x")
	}
	for n := range 1 + b.rng.IntN(80) {
		line := fmt.Sprintf("line %d of %d", n, i)
		if b.rng.IntN(12) == 0 {
			line = traps[b.rng.IntN(len(traps))]
		}
		t = append(append(t, line...), '\r', '\n')
	}
	if b.rng.IntN(6) == 0 { // a whole reply behind a lone dot
		t = append(t, ".\r\n+OK 40 octets\r\nSubject: ghost\r\n\r\nboo\r\n"...)
	}
	return t
}

func (b *breaker) errs() bool { return b.rng.Float64() < b.habits.often }

// dial is for pop3.Server.Dial. Each connection may break after some octets.
func (b *breaker) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	left := 1 << 30
	if b.rng.IntN(4) == 0 {
		left = b.rng.IntN(20_000)
	}
	s := &breakerSession{breaker: b, in: bufio.NewReader(server), conn: server, left: left}
	go s.serve()
	return client, nil
}

type breakerSession struct {
	*breaker
	in      *bufio.Reader
	conn    net.Conn
	left    int // octets until the connection breaks
	out     bytes.Buffer
	list    []int // of mail, by number
	deleted []int
	behind  []string // what comes before the next answer
}

func (s *breakerSession) serve() {
	defer s.conn.Close()
	_ = s.conn.SetDeadline(time.Now().Add(20 * time.Second))
	for i := range s.mail {
		if !s.mail[i].gone {
			s.list = append(s.list, i)
		}
	}
	s.say("+OK hello")
	for s.flush() {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.answer(verb, arg)
		if verb == "QUIT" {
			s.flush()
			return
		}
	}
}

// flush sends what was said, unless more commands are here already.
func (s *breakerSession) flush() bool {
	if s.in.Buffered() > 0 && s.out.Len() < 4<<10 {
		return true
	}
	b := s.out.Bytes()
	if len(b) > s.left {
		b = b[:s.left]
	}
	s.left -= len(b)
	_, err := s.conn.Write(b)
	s.out.Reset()
	return err == nil && s.left > 0
}

func (s *breakerSession) say(format string, args ...any) {
	fmt.Fprintf(&s.out, format+"\r\n", args...)
}

func (s *breakerSession) answer(verb, arg string) {
	for _, text := range s.behind {
		s.say("%s", text)
	}
	s.behind = nil
	switch verb {
	case "CAPA":
		s.say("+OK\r\nUSER\r\nUIDL\r\nTOP%s\r\n.", map[bool]string{true: "\r\nPIPELINING"}[s.habits.pipelining])
	case "STAT":
		s.say("+OK %d %d", len(s.list), 1000*len(s.list)+7)
	case "UIDL", "LIST":
		s.say("+OK")
		for n, i := range s.list {
			if verb == "UIDL" {
				s.say("%d %s", n+1, s.mail[i].uid)
			} else {
				s.say("%d %d", n+1, s.size(i))
			}
		}
		s.say(".")
	case "RETR":
		s.retr(arg)
	case "DELE":
		n, _ := strconv.Atoi(arg)
		s.deleted = append(s.deleted, s.list[n-1])
		s.say("+OK")
	case "QUIT":
		for _, i := range s.deleted {
			s.mail[i].gone = true
		}
		s.say("+OK bye")
	default:
		s.say("+OK")
	}
}

func (b *breaker) size(i int) int {
	n := len(b.mail[i].text)
	switch b.habits.sizes {
	case "lf":
		return n - bytes.Count(b.mail[i].text, []byte("\r\n"))
	case "wire":
		return n + 3
	case "guess":
		return []int{n / 5, 3 * n / 2}[i%2] // never what comes by accident
	}
	return n
}

func (s *breakerSession) announce(i int) string {
	switch s.habits.announces {
	case "size":
		return fmt.Sprintf(" %d octets", s.size(i))
	case "guess":
		return fmt.Sprintf(" %d octets", s.rng.IntN(3000))
	}
	return ""
}

func (s *breakerSession) retr(arg string) {
	n, _ := strconv.Atoi(arg)
	i := s.list[n-1]
	m, h := s.mail[i], s.habits
	stumbles := m.cursed || s.errs()
	switch {
	case h.skip && stumbles:
		return
	case h.swap && stumbles && s.swapped(n):
		return
	}
	text := m.text
	if h.short && stumbles && len(text) > 1000 {
		text = text[:bytes.LastIndexByte(text[:len(text)/3], '\n')+1]
	}
	body := s.stuffed(text)
	cut := bytes.IndexByte(body[len(body)/2:], '\n') + len(body)/2 + 1
	switch {
	case h.late && stumbles:
		s.say("+OK%s\r\n%s.", s.announce(i), body[:cut])
		if s.rng.IntN(2) == 0 {
			s.say("-ERR failed")
		} else {
			s.behind = append(s.behind, "-ERR failed")
		}
	case h.early && stumbles && n < len(s.list) && s.here(n+1):
		s.say("+OK%s\r\n%s+OK%s\r\n%s.", s.announce(i), body[:cut], s.announce(s.list[n]), body[cut:])
	default:
		s.say("+OK%s\r\n%s.", s.announce(i), body)
	}
	if h.twice && stumbles {
		s.behind = append(s.behind, fmt.Sprintf("+OK%s\r\n%s.", s.announce(i), body))
	}
}

// swapped answers the RETR that follows first, if it is here already.
func (s *breakerSession) swapped(n int) bool {
	a, b := s.size(s.list[n-1]), 0
	if n < len(s.list) {
		b = s.size(s.list[n])
	}
	if !s.here(n+1) || a-b < 100 && b-a < 100 { // what has the same size cannot be told apart
		return false
	}
	_, _ = s.in.ReadString('\n')
	for _, k := range []int{n, n - 1} {
		i := s.list[k]
		s.say("+OK%s\r\n%s.", s.announce(i), s.stuffed(s.mail[i].text))
	}
	return true
}

// here reports whether a RETR is the next command, and here already.
func (s *breakerSession) here(n int) bool {
	next := fmt.Sprintf("RETR %d\r\n", n)
	b, _ := s.in.Peek(min(len(next), s.in.Buffered()))
	return string(b) == next
}

func (s *breakerSession) stuffed(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		lone := string(line) == ".\r\n"
		if line[0] == '.' && (s.habits.stuffing == "" || s.habits.stuffing == "lone" && lone) {
			out = append(out, '.')
		}
		out = append(out, line...)
	}
	return out
}
