package pop3test

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
)

// transaction answers the commands of the TRANSACTION state (RFC 1939
// section 5 and 7).
func (s *session) transaction(verb, arg string) {
	switch verb {
	case "STAT":
		s.stat()
	case "LIST":
		s.scan(arg, s.listLine)
	case "UIDL":
		if s.opts.NoUIDL {
			s.line("-ERR unknown command")
			return
		}
		s.scan(arg, s.uidlLine)
	case "RETR":
		s.retr(arg)
	case "TOP":
		s.top(arg)
	case "DELE":
		s.dele(arg)
	case "RSET":
		clear(s.deleted)
		s.line("+OK")
	default:
		s.line("-ERR unknown command in this state")
	}
}

func (s *session) size(num int, m *stored) int64 {
	n := wireSize(m.body)
	if s.opts.Size != nil {
		n = s.opts.Size(num, n)
	}
	return n
}

func (s *session) stat() {
	count, total := 0, int64(0)
	for i, m := range s.list {
		if !s.deleted[m.id] {
			count++
			total += s.size(i+1, m)
		}
	}
	s.line("+OK %d %d", count, total)
}

func (s *session) listLine(num int, m *stored) string {
	if s.opts.ListLine != nil {
		return s.opts.ListLine(num, s.size(num, m))
	}
	return strconv.Itoa(num) + " " + strconv.FormatInt(s.size(num, m), 10)
}

func (s *session) uidlLine(num int, m *stored) string {
	if s.opts.UIDLLine != nil {
		return s.opts.UIDLLine(num, m.uid)
	}
	return strconv.Itoa(num) + " " + m.uid
}

// scan answers LIST and UIDL, with or without a message number.
func (s *session) scan(arg string, format func(int, *stored) string) {
	if arg != "" {
		if num, m := s.message(arg); m != nil {
			s.line("+OK %s", format(num, m))
		}
		return
	}
	s.line("+OK")
	for i, m := range s.list {
		if s.deleted[m.id] {
			continue
		}
		if line := format(i+1, m); line != "" {
			io.WriteString(s.out, line+"\r\n")
		}
	}
	s.line(".")
}

// message finds the message that arg numbers, or answers -ERR.
func (s *session) message(arg string) (int, *stored) {
	num, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil || num < 1 || num > len(s.list) || s.deleted[s.list[num-1].id] {
		s.line("-ERR no such message")
		return 0, nil
	}
	return num, s.list[num-1]
}

// uidOf is the unique-id of the message that a command names; empty for none.
func (s *session) uidOf(line string) string {
	_, arg, _ := strings.Cut(line, " ")
	arg, _, _ = strings.Cut(arg, " ")
	num, err := strconv.Atoi(arg)
	if err != nil || num < 1 || num > len(s.list) {
		return ""
	}
	return s.list[num-1].uid
}

// readable answers -ERR [UTF8] (RFC 6856) where a message needs it.
func (s *session) readable(m *stored) bool {
	if s.opts.UTF8 != UTF8Required || s.utf8 || !eightBit(m.body) {
		return true
	}
	s.line("-ERR [UTF8] this message needs the UTF8 command")
	return false
}

// eightBit reports whether a header has 8-bit bytes.
func eightBit(msg []byte) bool {
	head, _, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	return slices.ContainsFunc(head, func(b byte) bool { return b >= 0x80 })
}

// Surrogate is what UTF8Surrogate sends.
const Surrogate = "From: postmaster@pop3test.example\r\nSubject: Cannot display Unicode content\r\n\r\n" +
	"This message cannot be displayed: your mail program does not ask for Unicode.\r\n"

// body is what the session sends of a message.
func (s *session) body(m *stored) []byte {
	if s.opts.UTF8 == UTF8Surrogate && !s.utf8 && eightBit(m.body) {
		return []byte(Surrogate)
	}
	return m.body
}

func (s *session) retr(arg string) {
	num, m := s.message(arg)
	if m == nil || !s.readable(m) {
		return
	}
	s.line("+OK %d octets", s.size(num, m))
	writeStuffed(s.out, s.body(m))
	s.line(".")
	if s.out.err == nil {
		s.popped[m.id] = true
	}
}

func (s *session) top(arg string) {
	first, rest, _ := strings.Cut(arg, " ")
	lines, err := strconv.Atoi(strings.TrimSpace(rest))
	if s.opts.NoTOP || err != nil || lines < 0 {
		s.line("-ERR bad command")
		return
	}
	_, m := s.message(first)
	if m == nil || !s.readable(m) {
		return
	}
	s.line("+OK")
	writeStuffed(s.out, topOf(s.body(m), lines))
	s.line(".")
}

// topOf is the header, the empty line and n lines of the body.
func topOf(msg []byte, n int) []byte {
	crlf := []byte("\r\n")
	i := bytes.Index(msg, []byte("\r\n\r\n"))
	if bytes.HasPrefix(msg, crlf) {
		i = -2
	} else if i < 0 {
		return msg
	}
	end := i + 4
	for ; n > 0 && end < len(msg); n-- {
		k := bytes.Index(msg[end:], crlf)
		if k < 0 {
			return msg
		}
		end += k + 2
	}
	return msg[:end]
}

func (s *session) dele(arg string) {
	_, m := s.message(arg)
	if m == nil {
		return
	}
	s.deleted[m.id] = true
	s.line("+OK deleted")
}

// writeStuffed writes msg as a multi-line reply carries it (RFC 1939
// section 3), without the terminator: lines are what CRLF ends, and only
// those that begin with a dot get another one.
func writeStuffed(w io.Writer, msg []byte) {
	msg = WireForm(msg)
	if bytes.HasPrefix(msg, []byte(".")) {
		io.WriteString(w, ".")
	}
	for {
		i := bytes.Index(msg, []byte("\r\n."))
		if i < 0 {
			w.Write(msg)
			return
		}
		w.Write(msg[:i+3])
		io.WriteString(w, ".")
		msg = msg[i+3:]
	}
}
