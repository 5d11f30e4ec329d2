package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// mailer sends messages by LMTP (RFC 2033), to one mailbox after the other, until
// its context ends. A message without an answer may or may not have arrived.
type mailer struct {
	d     *pop3test.Dovecot
	mu    sync.Mutex
	sent  map[string]bool // confirmed by the server, by ID
	maybe map[string]bool // not answered
}

func (m *mailer) run(ctx context.Context) {
	m.sent, m.maybe = make(map[string]bool), make(map[string]bool)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var conn *textproto.Conn
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
			return
		case <-tick.C:
		}
		if conn == nil {
			if conn = m.dial(); conn == nil {
				continue // the server is down
			}
		}
		if err := m.send(conn, user(n%accounts), fmt.Sprintf("soak-%06d", n)); err != nil {
			_ = conn.Close()
			conn = nil
		}
	}
}

func (m *mailer) dial() *textproto.Conn {
	raw, err := net.DialTimeout("unix", m.d.LMTPSocket, time.Second)
	if err != nil {
		return nil
	}
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	c := textproto.NewConn(raw)
	if _, _, err = c.ReadResponse(220); err == nil {
		err = ask(c, 250, "LHLO soak")
	}
	if err != nil {
		_ = c.Close()
		return nil
	}
	return c
}

func ask(c *textproto.Conn, code int, format string, args ...any) error {
	if err := c.PrintfLine(format, args...); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(code)
	return err
}

func (m *mailer) send(c *textproto.Conn, to, id string) error {
	if err := ask(c, 250, "MAIL FROM:<soak@example.org>"); err != nil {
		return err
	}
	if err := ask(c, 250, "RCPT TO:<%s>", to); err != nil {
		return err
	}
	if err := ask(c, 354, "DATA"); err != nil {
		return err
	}
	m.note(m.maybe, id)
	w := c.DotWriter()
	fmt.Fprintf(w, "Message-ID: <%s@example.org>\r\nX-Soak: %s\r\nSubject: soak\r\n\r\n%s\r\n", id, id, strings.Repeat("0123456789abcdef\r\n", 1+len(m.sent)%200))
	if err := w.Close(); err != nil {
		return err
	}
	if _, _, err := c.ReadResponse(250); err != nil {
		return err
	}
	m.note(m.sent, id)
	return nil
}

func (m *mailer) note(where map[string]bool, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	where[id] = true
}

// compare finds lost messages and messages that arrived more than once.
func (m *mailer) compare(got map[string]int) (missing, twice []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.sent {
		if got[id] == 0 {
			missing = append(missing, id)
		}
	}
	for id, n := range got {
		if n > 1 || !m.maybe[id] {
			twice = append(twice, fmt.Sprintf("%s (%d times)", id, n))
		}
	}
	return missing, twice
}

// arrived counts the messages in all Maildirs by their IDs.
func arrived(dir string) map[string]int {
	got := make(map[string]int)
	names, _ := filepath.Glob(filepath.Join(dir, "mail", "*", "new", "*"))
	for _, name := range names {
		got[idOf(name)]++
	}
	return got
}

func idOf(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan() && s.Text() != ""; {
		if id, ok := strings.CutPrefix(s.Text(), "X-Soak: "); ok {
			return id
		}
	}
	return "no ID in " + name
}
