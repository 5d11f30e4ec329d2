//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// box is the address of a maildrop.
type box struct {
	host string
	port int
	tls  bool
	user string
	pem  string // file with the root certificate
}

func (l *lab) box(user string, tls bool) box {
	b := box{host: l.dovecot.Host, port: l.dovecot.Port, user: user, pem: l.ca}
	if tls {
		b.host, b.port, b.tls = "localhost", l.dovecot.TLSPort, true
	}
	return b
}

func (b box) addr() string { return net.JoinHostPort(b.host, strconv.Itoa(b.port)) }

// bare is a minimal POP3 client. It trusts the server.
type bare struct {
	conn net.Conn
	r    *bufio.Reader
}

func (b box) login() (*bare, error) {
	conn, err := net.Dial("tcp", b.addr())
	if err != nil {
		return nil, err
	}
	if b.tls {
		pem, err := os.ReadFile(b.pem)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		conn = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: b.host})
	}
	c := &bare{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	if _, err := c.line(); err != nil {
		return nil, err
	}
	for _, cmd := range []string{"USER " + b.user, "PASS " + password} {
		if _, err := c.do(cmd); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *bare) do(cmd string) (string, error) {
	if _, err := c.conn.Write([]byte(cmd + "\r\n")); err != nil {
		return "", err
	}
	return c.line()
}

// line reads a status line; the server is ours, and a refusal ends the run.
func (c *bare) line() (string, error) {
	s, err := c.r.ReadString('\n')
	if err == nil && !strings.HasPrefix(s, "+OK") {
		err = fmt.Errorf("server said %q", s)
	}
	return s, err
}

// skip reads a multi-line reply and discards it.
func (c *bare) skip(each func(line []byte)) error {
	for full := true; ; {
		s, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if full && (bytes.Equal(s, []byte(".\r\n"))) {
			return nil
		}
		full = err == nil
		if each != nil {
			each(s)
		}
	}
}

// readLimit measures the fastest way to read the messages: window commands are
// pipelined, and the bytes are discarded.
func (l *lab) readLimit(b box, window int) (sample, error) {
	return timed(func() error { return b.read(window, false) })
}

// deleteLimit is readLimit, and DELE for all of them before QUIT.
func (l *lab) deleteLimit(b box, window int) (sample, error) {
	return timed(func() error { return b.read(window, true) })
}

func (b box) read(window int, del bool) error {
	c, err := b.login()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	stat, err := c.do("STAT")
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(strings.Fields(stat)[1])
	if err := c.each("RETR", n, window, true); err != nil {
		return err
	}
	if del {
		if err := c.each("DELE", n, window, false); err != nil {
			return err
		}
	}
	_, err = c.do("QUIT")
	return err
}

// each sends a command for each of n messages, window of them ahead.
func (c *bare) each(command string, n, window int, body bool) error {
	sent := 0
	for i := range n {
		if sent <= i+window/2 && sent < n {
			var cmds []byte
			for ; sent < min(i+window, n); sent++ {
				cmds = fmt.Appendf(cmds, "%s %d\r\n", command, sent+1)
			}
			if _, err := c.conn.Write(cmds); err != nil {
				return err
			}
		}
		if _, err := c.line(); err != nil {
			return err
		}
		if !body {
			continue
		}
		if err := c.skip(nil); err != nil {
			return err
		}
	}
	return nil
}

// listLimit measures the fastest way to get the listing.
func (l *lab) listLimit(b box) (sample, error) {
	return timed(func() error { return b.list(nil) })
}

// list calls each for the lines of UIDL, if it is not nil.
func (b box) list(each func(line []byte)) error {
	c, err := b.login()
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if _, err := c.conn.Write([]byte("STAT\r\nUIDL\r\nLIST\r\n")); err != nil {
		return err
	}
	if _, err := c.line(); err != nil {
		return err
	}
	for _, f := range []func([]byte){each, nil} {
		if _, err := c.line(); err != nil {
			return err
		}
		if err := c.skip(f); err != nil {
			return err
		}
	}
	_, err = c.do("QUIT")
	return err
}

// writeLimit measures how fast the messages of a mailbox can be written into one
// directory and made durable, 16 in parallel, each with an fsync.
func (l *lab) writeLimit(user string) (sample, error) {
	dir, err := l.fresh()
	if err != nil {
		return sample{}, err
	}
	defer l.discard(dir)
	files, err := filepath.Glob(filepath.Join(l.dovecot.Maildir(user), "[cn][ue][rw]", "*"))
	if err != nil {
		return sample{}, err
	}
	bodies := make(chan []byte, 64)
	go func() { // reading is not what is measured, and it is from memory
		defer close(bodies)
		for _, f := range files {
			b, _ := os.ReadFile(f)
			bodies <- b
		}
	}()
	return timed(func() error {
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for w := range errs {
			wg.Go(func() {
				i := 0
				for b := range bodies {
					i++
					if err := writeDurably(filepath.Join(dir, fmt.Sprint(w, ".", i)), b); err != nil {
						errs[w] = err
					}
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func writeDurably(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func timed(f func() error) (sample, error) {
	syscall.Sync() // as in measure
	begun := time.Now()
	err := f()
	return sample{Wall: time.Since(begun)}, err
}
