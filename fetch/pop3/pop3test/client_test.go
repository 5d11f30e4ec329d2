package pop3test_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rawClient is as little of a POP3 client as can see what a server sends.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
}

func dial(t *testing.T, addr string, config *tls.Config) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &rawClient{t: t, conn: conn, br: bufio.NewReader(conn)}
	if config != nil {
		c.startTLS(config)
	}
	return c
}

func (c *rawClient) startTLS(config *tls.Config) {
	c.t.Helper()
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.br = conn, bufio.NewReader(conn)
}

func (c *rawClient) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) line() string {
	c.t.Helper()
	s, err := c.br.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read %q: %v", s, err)
	}
	return strings.TrimSuffix(s, "\r\n")
}

// cmd sends a command and wants a reply line with this prefix.
func (c *rawClient) cmd(want, format string, args ...any) string {
	c.t.Helper()
	c.send(format, args...)
	return c.want(want)
}

func (c *rawClient) want(prefix string) string {
	c.t.Helper()
	got := c.line()
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("got %q, want prefix %q", got, prefix)
	}
	return got
}

// wantEOF wants the connection closed with nothing more on it.
func (c *rawClient) wantEOF() {
	c.t.Helper()
	if s, err := c.br.ReadString('\n'); err == nil || s != "" {
		c.t.Fatalf("got %q, %v; want the end", s, err)
	}
}

// body reads a multi-line rest and removes the stuffing.
func (c *rawClient) body() []byte {
	c.t.Helper()
	var out bytes.Buffer
	for {
		b, err := c.br.ReadBytes('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		for !bytes.HasSuffix(b, []byte("\r\n")) {
			more, err := c.br.ReadBytes('\n')
			if err != nil {
				c.t.Fatal(err)
			}
			b = append(b, more...)
		}
		if bytes.Equal(b, []byte(".\r\n")) {
			return out.Bytes()
		}
		out.Write(bytes.TrimPrefix(b, []byte(".")))
	}
}

func (c *rawClient) login() {
	c.t.Helper()
	c.cmd("+OK", "USER alice")
	c.cmd("+OK", "PASS secret")
}

// plain starts a server without TLS and returns a client past the greeting.
func plain(t *testing.T, d *pop3test.Maildrop, o pop3test.Options) (*pop3test.Server, *rawClient) {
	t.Helper()
	o.Security = pop3test.Plain
	s := pop3test.NewServer(d, o)
	t.Cleanup(s.Close)
	c := dial(t, s.Addr(), nil)
	c.want("+OK")
	return s, c
}

func itoa(n int) string { return fmt.Sprint(n) }
