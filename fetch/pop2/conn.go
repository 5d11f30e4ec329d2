package pop2

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"hash"
	"net"
	"time"
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns a DialFunc whose connections speak POP3 with the caller and POP2 with
// the server that dial reaches; nil: directly. Trace, which may be nil, gets the lines
// of POP2, escaped and without the password.
func Dialer(dial DialFunc, trace func(sent bool, line string)) DialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if trace == nil {
		trace = func(bool, string) {}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newConn(c, trace), nil
	}
}

const (
	bufSize  = 64 << 10
	progress = 1 << 10 // octets of a message within the time of one reply
)

// conn is the server as a POP3 client sees it. Read carries out the commands that
// Write has queued; only Close may be called at the same time.
type conn struct {
	net.Conn
	server
	greeted  bool
	commands bytes.Buffer // of the client
	out      bytes.Buffer // for the client
	err      error        // what follows out
	user     string
	body     *transfer // on its way to the client, nil: none
	box      mailbox
}

// mailbox is what the server told of it. Within a session messages keep their numbers.
type mailbox struct {
	count  int
	listed int            // of them exist
	octets int64          // all of them together
	sizes  []int64        // of messages 1, 2 and so on; 0: it does not exist
	sums   map[int]string // SHA-256 of those that were read
}

// transfer is a message between RETR and the acknowledgement.
type transfer struct {
	num  int
	left int64 // octets
	sum  hash.Hash
	dots stuffer
}

func newConn(c net.Conn, trace func(bool, string)) *conn {
	return &conn{Conn: c, server: server{conn: c, in: bufio.NewReaderSize(c, bufSize), trace: trace}, box: mailbox{sums: make(map[int]string)}}
}

// Write queues commands.
func (c *conn) Write(p []byte) (int, error) { return c.commands.Write(p) }

// Read returns what is ready of the replies.
func (c *conn) Read(p []byte) (int, error) {
	for c.out.Len() == 0 && c.err == nil {
		c.err = c.next()
	}
	if c.out.Len() > 0 {
		return c.out.Read(p)
	}
	return 0, c.err
}

// SetReadDeadline sets how long to wait for each reply of the server, of which a reply
// to the client may need many.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.wait = 0
	if !t.IsZero() {
		c.wait = max(time.Until(t), 1)
	}
	return c.renew()
}

// SetWriteDeadline does nothing: Write does not block, and SetReadDeadline holds for
// what Read sends.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// next adds to out. It returns an error if the connection is of no more use.
func (c *conn) next() error {
	switch {
	case !c.greeted:
		c.greeted = true
		return c.reply(c.greet())
	case c.body != nil:
		return c.pass()
	}
	line, err := c.commands.ReadString('\n')
	if err != nil { // the client asked for nothing: the end, or something out of turn
		_, err = c.line()
		return cmp.Or(err, error(errUnasked))
	}
	return c.command(line[:len(line)-1])
}

// pass takes some more of a message, or its end.
func (c *conn) pass() error {
	t := c.body
	if t.left > 0 {
		buf := make([]byte, min(t.left, 8<<10))
		n, err := c.in.Read(buf)
		t.left -= int64(n)
		t.sum.Write(buf[:n])
		t.dots.write(&c.out, buf[:n])
		return err
	}
	c.body = nil
	if _, err := c.ask("ACKS", '='); err != nil {
		return final(err)
	}
	c.box.sums[t.num] = string(t.sum.Sum(nil))
	t.dots.end(&c.out)
	return nil
}

// stuffer doubles the dots that begin lines (RFC 1939 section 3).
type stuffer struct{ before [2]byte }

func newStuffer() stuffer { return stuffer{[2]byte{'\r', '\n'}} }

func (s *stuffer) write(out *bytes.Buffer, p []byte) {
	for _, b := range p {
		if b == '.' && s.before == [2]byte{'\r', '\n'} {
			out.WriteByte('.')
		}
		out.WriteByte(b)
		s.before = [2]byte{s.before[1], b}
	}
}

// end writes the terminator, at the beginning of a line.
func (s *stuffer) end(out *bytes.Buffer) {
	if s.before != [2]byte{'\r', '\n'} {
		out.WriteString("\r\n")
	}
	out.WriteString(".\r\n")
}
