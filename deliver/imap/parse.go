package imap

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	// maxReply is how much of one response is kept, without a message that is streamed.
	maxReply = 1 << 20
	// maxDepth bounds lists in lists.
	maxDepth = 16
)

// errProtocol says that what came is not IMAP.
var errProtocol = errors.New("the server broke the IMAP protocol")

// reply is one response of the server (RFC 9051 section 7).
type reply struct {
	tag  string // "*", "+" or a command's
	num  uint32 // the number of "* 12 FETCH"
	name string // OK, NO, BAD, BYE, PREAUTH, or what the data is; upper case
	code string // response code, upper case; args are what follows it
	args string
	text string  // for people
	vals []value // the data
}

// value is an atom, a string or a list of data.
type value struct {
	s    string
	list []value
	kind valueKind
}

type valueKind uint8

const (
	isAtom valueKind = iota
	isString
	isList
)

// String is the text; NIL is empty.
func (v value) String() string {
	if v.kind == isAtom && strings.EqualFold(v.s, "NIL") {
		return ""
	}
	return v.s
}

func (v value) number() (uint64, bool) {
	n, err := strconv.ParseUint(v.s, 10, 63)
	return n, err == nil
}

// parser reads responses. It trusts nothing: left bounds what is kept of one.
type parser struct {
	br   *bufio.Reader
	left int
	// body gets the value of BODY[], whatever its size, -1 for NIL: the server does not
	// hand it out, or it is gone (RFC 2180 section 4.1.3). Nil: there must be none that is large.
	body func(size int64, r io.Reader) error
}

// next reads one response.
func (p *parser) next() (*reply, error) {
	p.left = maxReply
	r := &reply{}
	var err error
	if r.tag, err = p.atom(); err != nil {
		return nil, err
	}
	if r.tag == "+" {
		r.text, err = p.line()
		return r, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if r.name, err = p.atom(); err != nil {
		return nil, err
	}
	if n, err := strconv.ParseUint(r.name, 10, 32); err == nil {
		r.num = uint32(n)
		if err := p.space(); err != nil {
			return nil, err
		}
		if r.name, err = p.atom(); err != nil {
			return nil, err
		}
	}
	r.name = strings.ToUpper(r.name)
	return r, p.rest(r)
}

// rest reads what follows the name.
func (p *parser) rest(r *reply) (err error) {
	switch r.name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		r.text, err = p.line()
		r.cutCode()
	case "CAPABILITY", "LIST", "STATUS", "FETCH", "NAMESPACE", "QUOTA", "QUOTAROOT", "MYRIGHTS", "EXISTS":
		r.vals, err = p.values('\n', 0)
	default:
		if r.tag != "*" {
			return errProtocol
		}
		err = p.skip()
	}
	return err
}

// cutCode takes the response code out of the text.
func (r *reply) cutCode() {
	if inner, ok := strings.CutPrefix(r.text, "["); ok {
		if code, text, ok := strings.Cut(inner, "]"); ok {
			r.text = strings.TrimSpace(text)
			r.code, r.args, _ = strings.Cut(code, " ")
			r.code = strings.ToUpper(r.code)
		}
	}
}

func (p *parser) byte() (byte, error) {
	if p.left--; p.left < 0 {
		return 0, errProtocol
	}
	return p.br.ReadByte()
}

func (p *parser) peek() (byte, error) {
	b, err := p.br.Peek(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (p *parser) space() error {
	c, err := p.byte()
	if err == nil && c != ' ' {
		return errProtocol
	}
	return err
}

// line reads to the end of the line, and trims it.
func (p *parser) line() (string, error) {
	var b strings.Builder
	for {
		c, err := p.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return strings.TrimSpace(b.String()), nil
		}
		b.WriteByte(c)
	}
}

// skip reads over data that nobody wants, with its literals.
func (p *parser) skip() error {
	for {
		text, err := p.line()
		if err != nil {
			return err
		}
		n, ok := literalSize(text)
		if !ok {
			return nil
		}
		if _, err := p.literal(n); err != nil {
			return err
		}
	}
}

// literalSize is the size of the literal that a line announces at its end.
func literalSize(line string) (int64, bool) {
	i := strings.LastIndexByte(line, '{')
	if i < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	n, err := strconv.ParseInt(line[i+1:len(line)-1], 10, 63)
	return n, err == nil && n >= 0
}

// atom reads up to a blank, a parenthesis or the end of the line. What is in
// brackets belongs to it: BODY[HEADER.FIELDS (MESSAGE-ID)].
func (p *parser) atom() (string, error) {
	var b strings.Builder
	for inner := 0; ; {
		c, err := p.peek()
		if err != nil {
			return "", err
		}
		switch {
		case c == '[':
			inner++
		case c == ']':
			inner--
		}
		if c == '\n' || c == '\r' || inner <= 0 && strings.IndexByte(` ()"{`, c) >= 0 {
			if b.Len() == 0 {
				return "", errProtocol
			}
			return b.String(), nil
		}
		if c, err = p.byte(); err != nil {
			return "", err
		}
		b.WriteByte(c)
	}
}

// values reads up to the end: ')' or '\n'.
func (p *parser) values(end byte, depth int) (list []value, err error) {
	if depth > maxDepth {
		return nil, errProtocol
	}
	for last := ""; ; {
		c, err := p.peek()
		if err != nil {
			return nil, err
		}
		switch {
		case c == end:
			_, err = p.byte()
			return list, err
		case c == ' ' || c == '\r':
			_, err = p.byte()
		default:
			var v value
			v, err = p.value(c, depth, last)
			list = append(list, v)
			last = v.s
		}
		if err != nil {
			return nil, err
		}
	}
}

// value reads one that begins with c and comes after the item named key.
func (p *parser) value(c byte, depth int, key string) (v value, err error) {
	switch c {
	case '(':
		_, _ = p.byte()
		v.kind = isList
		v.list, err = p.values(')', depth+1)
	case '"':
		v.kind = isString
		v.s, err = p.quoted()
	case '{', '~':
		return p.literalValue(key)
	case ')', '\n':
		return v, errProtocol
	default:
		v.s, err = p.atom()
	}
	if err == nil && v.kind != isList && p.body != nil && isBody(key) {
		n := int64(len(v.s))
		if v.kind == isAtom {
			v.s, n = "", -1
		}
		err = p.body(n, strings.NewReader(v.s))
	}
	return v, err
}

func isBody(key string) bool {
	return strings.EqualFold(key, "BODY[]") || strings.EqualFold(key, "BODY[HEADER]")
}

func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for _, err := p.byte(); ; {
		var c byte
		if err == nil {
			c, err = p.byte()
		}
		if err == nil && c == '\\' {
			if c, err = p.byte(); err == nil {
				b.WriteByte(c)
				continue
			}
		}
		if err != nil {
			return "", err
		}
		switch c {
		case '"':
			return b.String(), nil
		case '\n':
			return "", errProtocol
		}
		b.WriteByte(c)
	}
}

// literalValue reads {n} and what it announces, or ~{n} (RFC 3516).
func (p *parser) literalValue(key string) (value, error) {
	v := value{kind: isString}
	line, err := p.line()
	if err != nil {
		return v, err
	}
	n, ok := literalSize(line)
	if !ok || strings.TrimPrefix(line, "~")[0] != '{' {
		return v, errProtocol
	}
	if p.body != nil && isBody(key) {
		return v, p.stream(n)
	}
	v.s, err = p.literal(n)
	return v, err
}

// literal reads one that is kept.
func (p *parser) literal(n int64) (string, error) {
	if n > int64(p.left) {
		return "", errProtocol
	}
	p.left -= int(n)
	b := make([]byte, n)
	_, err := io.ReadFull(p.br, b)
	return string(b), err
}

// stream passes a message on, and reads over what is not wanted of it.
func (p *parser) stream(n int64) error {
	r := &io.LimitedReader{R: p.br, N: n}
	if err := p.body(n, r); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if r.N > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}
