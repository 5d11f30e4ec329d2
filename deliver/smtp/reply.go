package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLine is four times what RFC 5321 section 4.5.3.1.5 allows a reply.
	maxLine = 2048
	// maxLines is the most lines of one reply; real EHLO replies have under 30.
	maxLines = 128
	// maxText is how much of a reply an error text or a receipt shows.
	maxText = 200
)

// errProtocol means that the relay does not speak SMTP: the dialogue is out
// of step and the connection must be given up.
var errProtocol = errors.New("relay broke the protocol")

// reply is one complete reply (RFC 5321 section 4.2). It is foreign text.
type reply struct {
	code  int
	lines []string
}

func (r reply) positive() bool { return r.code >= 200 && r.code < 300 }
func (r reply) negative() bool { return r.code >= 400 }

// String is the reply on one line, safe for terminals and logs.
func (r reply) String() string {
	return clean(strconv.Itoa(r.code) + " " + strings.Join(r.lines, " "))
}

// readReply reads one reply. It never buffers more than maxLines times maxLine
// octets; the caller has set a deadline for the whole of it.
func readReply(br *bufio.Reader) (reply, error) {
	var r reply
	for len(r.lines) < maxLines {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return reply{}, fmt.Errorf("%w: reply line over %d octets", errProtocol, maxLine)
		}
		if err != nil {
			return reply{}, err
		}
		code, text, last, ok := parseLine(line)
		if !ok || r.code != 0 && r.code != code {
			return reply{}, fmt.Errorf("%w: reply %s", errProtocol, strconv.Quote(shorten(string(line))))
		}
		r.code = code
		r.lines = append(r.lines, text)
		if last {
			return r, nil
		}
	}
	return reply{}, fmt.Errorf("%w: reply over %d lines", errProtocol, maxLines)
}

// parseLine splits a reply line into code, text and whether it is the last.
func parseLine(b []byte) (code int, text string, last, ok bool) {
	line := strings.TrimRight(string(b), "\r\n")
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, "", false, false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(line[i]-'0')
	}
	if len(line) == 3 { // some servers leave the space out
		return code, "", true, true
	}
	return code, line[4:], line[3] == ' ', line[3] == ' ' || line[3] == '-'
}

// clean makes foreign text safe to show, and short.
func clean(s string) string {
	s = shorten(strings.TrimSpace(s))
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			q := strconv.Quote(s)
			return shorten(q[1 : len(q)-1])
		}
	}
	return s
}

// shorten cuts s to maxText octets at a rune boundary.
func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
