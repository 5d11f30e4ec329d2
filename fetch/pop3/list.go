package pop3

import (
	"bytes"
	"context"
	"errors"
	"slices"
)

// octetsPerEntry times Server.MaxMessages bounds the octets of a listing.
const octetsPerEntry = 128

// ListReport is what was wrong in the replies to the last List.
type ListReport struct {
	// Count is what STAT said, -1 if it was not asked or made no sense, and Octets
	// the size of the maildrop by it.
	Count  int
	Octets int64
	// Malformed is the number of malformed lines of UIDL, which are skipped, and
	// Example the first of them, escaped. Empty lines do not count: they are no
	// messages.
	Malformed int
	Example   string
	// BadSizes and BadSize are the same for LIST: the size of these messages is
	// unknown.
	BadSizes int
	BadSize  string
	// Duplicates is the number of lines that named a message number again;
	// the first one counts.
	Duplicates int
	// NoSize is the number of messages that UIDL lists and LIST does not, and
	// NoUID the other way round; the latter are not in the result.
	NoSize, NoUID int
}

// listState is what is known of the maildrop's list.
type listState struct {
	verified bool  // a STAT succeeded after the login
	noUIDL   error // why the last List got no unique-ids
	report   ListReport
	stat     string // what STAT said; empty if it is not known
}

// ListReport is about the last List.
func (c *Client) ListReport() ListReport { return c.list.report }

// HasUIDL reports whether the last List got unique-ids.
func (c *Client) HasUIDL() bool { return c.list.noUIDL == nil }

// UIDLError is the server's refusal if the last List got no unique-ids.
func (c *Client) UIDLError() error { return c.list.noUIDL }

// List returns the server's messages in the order of its listing. The first
// call after the login also sends CAPA and STAT; all of it is one round trip
// if the session is pipelined.
//
// A STAT refused right after the login is a *LoginError. A server without UIDL
// gives messages without UID (see HasUIDL). Malformed lines are skipped (see
// ListReport). UIDs are foreign text, see Message.
func (c *Client) List(ctx context.Context) ([]Message, error) {
	return c.listed(ctx, builder{report: ListReport{Count: -1, Octets: -1}}, "UIDL", "LIST")
}

// ListUIDs is List without LIST, which is a third of a long listing: the sizes are
// -1. If the server has unique-ids, Sizes may follow.
func (c *Client) ListUIDs(ctx context.Context) ([]Message, error) {
	return c.listed(ctx, builder{report: ListReport{Count: -1, Octets: -1}}, "UIDL")
}

// Sizes sends the LIST that the last ListUIDs left out and puts the sizes into its
// result.
func (c *Client) Sizes(ctx context.Context, msgs []Message) error {
	_, err := c.listed(ctx, builder{msgs: msgs, uidl: true, report: c.list.report}, "LIST")
	return err
}

func (c *Client) listed(ctx context.Context, b builder, commands ...string) ([]Message, error) {
	var msgs []Message
	err := c.run(ctx, func() error {
		return c.s.step("list", func() (err error) {
			l := lister{c: c, b: b}
			msgs, err = l.run(commands)
			return err
		})
	})
	return msgs, err
}

// lister collects the replies of one listing. Refusals are kept until all
// replies are read, so that the session stays in step.
type lister struct {
	c                *Client
	b                builder
	stat, uidl, list error
}

func (l *lister) run(commands []string) ([]Message, error) {
	c := l.c
	l.b.max = c.s.maxMessages()
	if !c.list.verified {
		commands = append([]string{"STAT"}, commands...)
		if c.caps.Known() { // RFC 2449 section 5: ask again after the login
			commands = append([]string{"CAPA"}, commands...)
		}
	}
	l.b.sizes = slices.Contains(commands, "LIST")
	pipelined := c.Pipelining() // as known before the CAPA that is under way
	c.listing = pipelined && len(commands) > 1
	defer func() { c.listing = false }()
	err := c.do(batch{
		n:       len(commands),
		command: func(dst []byte, i int) []byte { return append(dst, commands[i]...) },
		octets:  func(int) int64 { return 0 },
		reply:   func(i int) error { return l.reply(commands[i], pipelined) },
	})
	if err != nil {
		return nil, err
	}
	return l.result()
}

func (l *lister) reply(command string, pipelined bool) error {
	c := l.c
	var err error
	switch command {
	case "CAPA":
		return c.readCapa()
	case "STAT":
		err = l.readStat()
		l.stat = err
		if err != nil && !pipelined && c.err == nil {
			return l.loginError() // a refusal, and nothing else is under way
		}
	case "UIDL":
		if _, err = c.status("UIDL", 0); err == nil {
			l.b.uidl = true
			err = c.lines("UIDL", l.limit(), l.b.addUID)
		}
		l.uidl = err
	case "LIST":
		if _, err = c.status("LIST", 0); err == nil {
			l.b.beginSizes()
			err = c.lines("LIST", l.limit(), l.b.addSize)
		}
		l.list = err
	}
	if c.err != nil {
		return err
	}
	if l.b.full {
		return c.garbled(command, "more messages than this client is set to take", nil)
	}
	return nil
}

func (l *lister) limit() int64 { return int64(l.b.max)*octetsPerEntry + 1<<16 }

// readStat reads "+OK count octets".
func (l *lister) readStat() error {
	text, err := l.c.status("STAT", 0)
	if err != nil {
		return err
	}
	l.c.list.stat = statText(text)
	n, rest, ok := number(text)
	if ok {
		l.b.report.Count = int(n)
		l.b.msgs = make([]Message, 0, min(int(n), l.b.max, maxReserve)) // n may be a lie: memory that is not written to costs nothing
	}
	if octets, _, fits := digits(bytes.TrimLeft(rest, " \t"), 1<<62); ok && fits {
		l.b.report.Octets = octets
	}
	return nil
}

func (l *lister) loginError() error {
	return &LoginError{Login: l.c.login, Err: l.stat, AfterLogin: true}
}

func (l *lister) result() ([]Message, error) {
	if l.stat != nil {
		return nil, l.loginError()
	}
	var refused *Error
	if errors.As(l.uidl, &refused) && refused.Temporary() {
		return nil, l.uidl // not the same as having no UIDL
	}
	if l.uidl != nil && l.list != nil && l.b.report.Count != 0 {
		return nil, l.list // some servers refuse to list nothing
	}
	msgs := l.b.finish()
	known := &l.c.list
	known.verified, known.noUIDL, known.report = true, l.uidl, l.b.report
	return msgs, nil
}

// parseUIDL parses "number uid". Any amount of space separates the two, and
// may follow.
func parseUIDL(line []byte) (num int, uid []byte, ok bool) {
	n, rest, ok := number(line)
	uid = bytes.TrimRight(rest, " \t")
	if !ok || n == 0 || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
		return 0, nil, false
	}
	uid = bytes.TrimLeft(uid, " \t")
	const most = 1000
	if len(uid) == 0 || len(uid) > most || bytes.ContainsAny(uid, "\x00\r\n") {
		return 0, nil, false
	}
	return int(n), uid, true
}

// parseLIST parses "number size"; what follows is ignored. A negative size
// (there are servers) is -1: unknown.
func parseLIST(line []byte) (num int, size int64, ok bool) {
	n, rest, ok := number(line)
	if !ok || n == 0 || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
		return 0, 0, false
	}
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) > 1 && rest[0] == '-' {
		_, _, ok = digits(rest[1:], 1<<62)
		return int(n), -1, ok
	}
	if size, _, ok = digits(rest, 1<<62); size > absurd {
		size = -1 // sums of these would overflow
	}
	return int(n), size, ok
}

// number reads a message number or count, after optional spaces.
func number(line []byte) (n int64, rest []byte, ok bool) {
	return digits(bytes.TrimLeft(line, " \t"), 1<<31-1)
}

func digits(s []byte, limit int64) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		d := int64(s[i] - '0')
		if n > (limit-d)/10 {
			return 0, nil, false
		}
		n = n*10 + d
	}
	return n, s[i:], i > 0
}
