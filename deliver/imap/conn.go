package imap

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

const (
	bufferSize = 64 << 10
	// maxUntagged bounds the data that one command may bring: a large mailbox has a
	// million messages.
	maxUntagged = 4 << 20
)

// conn is one session with a mailbox. It is used by one goroutine at a time; only cancel
// may be called from another.
type conn struct {
	mailbox
	used *login.Login // nil: none yet
	// unserved counts the messages in a row that could not be read, see insist.
	unserved int
}

// mailbox is a mailbox at the end of a wire.
type mailbox struct {
	wire
	box box
}

// wire carries commands and replies.
type wire struct {
	socket
	o     *Options
	br    *bufio.Reader
	bw    *bufio.Writer
	caps  map[string]bool // upper case; nil: not known
	limit int64           // APPENDLIMIT (RFC 7889); 0: none
	tags  int
	dead  *deliver.Error // the session is over, and why
	bye   *reply
	stage string // what is under way, for errors
	aside string // tag of a command whose outcome does not matter
	buf   []byte // see scratch
}

// socket is the connection. Its end can be called from another goroutine.
type socket struct {
	mu        sync.Mutex // guards the rest
	nc        net.Conn
	state     *tls.ConnectionState // nil without TLS
	cancelled bool
}

// linger sets SO_LINGER, where the connection has it. With 0, what was not sent yet
// is dropped when the session breaks off or the process is killed: nothing of it may
// be stored once the next run has looked.
func linger(nc net.Conn, seconds int) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if l, ok := nc.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(seconds) // the look waits in any case
	}
}

// replace puts the connection there; with TLS after STARTTLS.
func (c *wire) replace(nc net.Conn, state *tls.ConnectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc, c.state = nc, state
	linger(nc, 0)
	c.br = bufio.NewReaderSize(nc, bufferSize)
	c.bw = bufio.NewWriterSize(patient{c}, bufferSize)
}

// patient gives each write its own time.
type patient struct{ c *wire }

func (w patient) Write(p []byte) (int, error) {
	w.c.arm(w.c.o.Timeout)
	return w.c.nc.Write(p)
}

// arm sets the deadline of the next step, unless the run is cancelled.
func (c *socket) arm(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cancelled {
		_ = c.nc.SetDeadline(time.Now().Add(d))
	}
}

// watch lets the end of ctx interrupt the session until the returned function is
// called.
func (c *wire) watch(ctx context.Context) (stop func() bool) { return context.AfterFunc(ctx, c.cancel) }

func (c *socket) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled = true
	_ = c.nc.SetDeadline(time.Unix(1, 0)) // long past
}

func (c *socket) interrupted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancelled
}

// send writes a command line and returns its tag. What is shown of it is the line,
// or shown if that is not empty.
func (c *wire) send(line, shown string) (tag string) {
	c.tags++
	tag = fmt.Sprintf("m%d", c.tags)
	c.trace(true, tag+" "+cmp.Or(shown, line))
	_, _ = c.bw.WriteString(tag + " " + line + "\r\n") // its error is Flush's
	return tag
}

func (c *wire) trace(sent bool, line string) {
	if c.o.Trace != nil {
		c.o.Trace(sent, remote.Clean(line))
	}
}

// read reads one response within d. What every caller needs of it is noted. body:
// see parser.
func (c *wire) read(d time.Duration, body func(int64, io.Reader) error) (*reply, *deliver.Error) {
	if c.dead != nil {
		return nil, c.dead
	}
	if err := c.bw.Flush(); err != nil {
		return nil, c.lost(err)
	}
	c.arm(d)
	p := parser{br: c.br, body: c.slowly(body)}
	r, err := p.next()
	if err != nil {
		return nil, c.lost(err)
	}
	c.note(r)
	return r, nil
}

// slowly gives each block of a streamed message its own time.
func (c *wire) slowly(body func(int64, io.Reader) error) func(int64, io.Reader) error {
	if body == nil {
		return nil
	}
	return func(n int64, r io.Reader) error { return body(n, &paced{c: c, r: r}) }
}

// paced allows the time of one reply for each block.
type paced struct {
	c    *wire
	r    io.Reader
	left int
}

func (p *paced) Read(b []byte) (int, error) {
	if p.left <= 0 {
		p.c.arm(p.c.o.Timeout)
		p.left = bufferSize
	}
	n, err := p.r.Read(b)
	p.left -= n
	return n, err
}

// note keeps what the server says about itself.
func (c *wire) note(r *reply) {
	if c.o.Trace != nil {
		c.trace(false, r.line())
	}
	switch {
	case r.name == "CAPABILITY":
		c.setCaps(texts(r.vals))
	case r.code == "CAPABILITY" && r.name != "NO" && r.name != "BAD":
		c.setCaps(strings.Fields(r.args))
	case r.name == "BYE" && r.tag == "*":
		c.bye = r
	}
}

func texts(vals []value) []string {
	out := make([]string, len(vals))
	for i, v := range vals {
		out[i] = v.s
	}
	return out
}

// setCaps notes the capabilities, and APPENDLIMIT among them.
func (c *wire) setCaps(words []string) {
	c.caps = make(map[string]bool, len(words))
	c.limit = 0
	for _, w := range words {
		w = strings.ToUpper(w)
		c.caps[w] = true
		if n, ok := strings.CutPrefix(w, "APPENDLIMIT="); ok {
			size, _ := value{s: n}.number()
			c.limit = int64(size)
		}
	}
}

// command sends a line and reads up to its tagged reply; each, if not nil, gets the
// data before it. A NO or BAD is a *refusal.
func (c *wire) command(stage, line string, each func(*reply)) (*reply, error) {
	return c.finish(stage, c.sendAs(stage, line, ""), each, nil)
}

// sendAs is send for a step with a name.
func (c *wire) sendAs(stage, line, shown string) string {
	c.stage = stage
	return c.send(line, shown)
}

// finish reads up to the reply with the tag.
func (c *wire) finish(stage, tag string, each func(*reply), body func(int64, io.Reader) error) (*reply, error) {
	c.stage = stage
	for range maxUntagged {
		r, err := c.read(c.o.Timeout, body)
		switch {
		case err != nil:
			return nil, err
		case r.tag == tag && r.name == "OK":
			return r, nil
		case r.tag == tag:
			return r, &refusal{stage, r}
		case r.tag == c.aside:
			c.aside = ""
		case r.tag != "*":
			return nil, c.lost(errProtocol)
		case each != nil:
			each(r)
		}
	}
	return nil, c.lost(errProtocol)
}

// refusal is a tagged NO or BAD.
type refusal struct {
	stage string
	r     *reply
}

func (e *refusal) Error() string { return e.stage + ": " + e.r.line() }

// line is a response as it is shown: without a tag, and a status only.
func (r *reply) line() string {
	if r.tag == "+" {
		return "+" // a challenge is nobody's business
	}
	s := r.name
	if r.code != "" {
		s += " [" + strings.TrimSpace(r.code+" "+r.args) + "]"
	}
	return remote.Clean(strings.TrimSpace(s + " " + r.text))
}

// noAnswer is os.ErrDeadlineExceeded in words for a person.
type noAnswer struct{}

func (noAnswer) Error() string { return "no answer in time" }
func (noAnswer) Unwrap() error { return os.ErrDeadlineExceeded }

// lost ends the session.
func (c *wire) lost(err error) *deliver.Error {
	if c.dead != nil {
		return c.dead
	}
	class, cause := deliver.Unavailable, Lost
	switch {
	case c.interrupted():
		class, err = deliver.Later, fmt.Errorf("interrupted: %w", context.Canceled)
	case errors.Is(err, errProtocol):
		cause = NotIMAP
	case wantsCertificate(err):
		class, cause = deliver.Denied, ClientCertificate
	case c.bye != nil:
		c.dead = classify(&refusal{c.stage, c.bye}).Failure(c.o.name(), c.stage, errors.New(c.bye.line()))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("connection closed by the server")
	case errors.Is(err, os.ErrDeadlineExceeded):
		cause, err = Silent, noAnswer{}
	}
	if c.dead == nil {
		c.dead = c.o.failure(class, cause, c.stage, err)
	}
	_ = c.nc.Close()
	return c.dead
}

// wantsCertificate reports whether the server ended TLS for our certificate, or for want of one:
// in TLS 1.3 it says so after our side of the handshake is done.
func wantsCertificate(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && strings.Contains(err.Error(), "certificate")
}

// logout says goodbye, without waiting for an answer on which nothing depends, and
// closes the connection.
func (c *wire) logout() {
	if c.dead == nil {
		c.send("LOGOUT", "")
		_ = c.bw.Flush()
		linger(c.nc, -1)
		_ = c.nc.Close()
	}
}

// drain reads what a server says that does not take anything any more.
func (c *wire) drain(each func(*reply)) {
	c.arm(time.Second)
	for range 1000 {
		p := parser{br: c.br}
		r, err := p.next()
		if err != nil {
			return
		}
		c.note(r)
		each(r)
	}
}

// scratch is a buffer for one copy at a time.
func (c *wire) scratch() []byte {
	if c.buf == nil {
		c.buf = make([]byte, bufferSize)
	}
	return c.buf
}
