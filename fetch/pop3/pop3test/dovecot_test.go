package pop3test_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestDovecotIsExact(t *testing.T) {
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{})
	corpus := pop3test.Corpus(1, 40)
	d.AddMessages("alice", corpus)
	tests := []struct {
		name string
		dial func() *rawClient
	}{
		{"plain", func() *rawClient { return dial(t, d.Addr(), nil) }},
		{"implicit", func() *rawClient { return dial(t, d.TLSAddr(), d.CA.ClientTLS()) }},
		{"stls", func() *rawClient {
			c := dial(t, d.Addr(), nil)
			c.want("+OK")
			c.cmd("+OK", "STLS")
			c.startTLS(d.CA.ClientTLS())
			return c
		}},
	}
	for _, tt := range tests {
		c := tt.dial()
		if tt.name != "stls" {
			c.want("+OK")
		}
		c.login()
		for i, m := range corpus {
			c.cmd("+OK", "RETR %d", i+1)
			if got, want := c.body(), pop3test.WireForm(m); !bytes.Equal(got, want) {
				t.Errorf("%s: message %d: %d bytes, want %d", tt.name, i+1, len(got), len(want))
			}
		}
		c.cmd("+OK", "QUIT")
	}
}

func TestDovecotDeleteAndRestart(t *testing.T) {
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": "secret", "bob": "b"}})
	d.AddMessages("alice", pop3test.CorpusOptions{Seed: 2, N: 20, Small: true}.Generate())
	d.AddMessages("bob", pop3test.CorpusOptions{Seed: 3, N: 1, Small: true}.Generate())
	c := dial(t, d.Addr(), nil)
	c.want("+OK")
	c.login()
	for i := range 20 {
		c.cmd("+OK", "DELE %d", i+1)
	}
	if n := d.Maildrop("alice"); n != 20 {
		t.Errorf("before QUIT: %d", n)
	}
	c.cmd("+OK", "QUIT")
	c.wantEOF()
	if n := d.Maildrop("alice"); n != 0 {
		t.Errorf("after QUIT: %d", n)
	}
	d.Restart()
	c = dial(t, d.Addr(), nil)
	c.want("+OK")
	c.cmd("+OK", "USER bob")
	c.cmd("+OK", "PASS b")
	c.cmd("+OK 1 ", "STAT")
	c.cmd("+OK", "QUIT")
}

// TestDovecotStopsAll counts the processes that name the private directory.
func TestDovecotStopsAll(t *testing.T) {
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{})
	c := dial(t, d.Addr(), nil)
	c.want("+OK")
	c.login()
	d.Stop()
	c.br.ReadString('\n') // "-ERR shutting down", or nothing
	out, err := exec.Command("ps", "-ef").Output()
	if err != nil {
		t.Skip("no ps")
	}
	if strings.Contains(string(out), d.Dir) {
		t.Errorf("still running:\n%s", out)
	}
	if conn, err := net.Dial("tcp", d.Addr()); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

func TestDovecotTokensAndCertificates(t *testing.T) {
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Mechanisms: []string{"plain", "xoauth2", "oauthbearer", "external"}})
	session := func(cert ...tls.Certificate) *rawClient {
		config := d.CA.ClientTLS()
		config.Certificates = cert
		c := dial(t, d.TLSAddr(), config)
		c.want("+OK")
		return c
	}
	bearer := func(valid time.Duration) string {
		s := "user=alice\x01auth=Bearer " + d.MintToken("alice", valid, 2000) + "\x01\x01"
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	c := session()
	c.cmd("+ ", "AUTH XOAUTH2")
	c.cmd("+OK", "%s", bearer(time.Hour))
	c = session()
	c.cmd("+ ", "AUTH XOAUTH2")
	c.cmd("+ ey", "%s", bearer(-time.Hour))
	c.cmd("-ERR", "")
	c = session(d.CA.Client("alice"))
	c.cmd("+OK", "AUTH EXTERNAL =")
	c.cmd("+OK", "STAT")
	c = session()
	c.cmd("-ERR", "AUTH EXTERNAL "+base64.StdEncoding.EncodeToString([]byte("alice")))
	c.login()
}

func TestDovecotParallelAndLMTP(t *testing.T) {
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{LMTP: true})
	lmtp := dial(t, net.JoinHostPort(d.Host, itoa(d.LMTPPort)), nil)
	lmtp.want("220")
	lmtp.send("LHLO x")
	for strings.HasPrefix(lmtp.want("250"), "250-") {
	}
	lmtp.cmd("250", "MAIL FROM:<>")
	lmtp.cmd("250", "RCPT TO:<alice>")
	lmtp.cmd("354", "DATA")
	lmtp.cmd("250", "Subject: x\r\n\r\nx\r\n.")
	lmtp.cmd("221", "QUIT")
	if conn, err := net.Dial("unix", d.LMTPSocket); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	var wg sync.WaitGroup
	for range 20 {
		c := dial(t, d.Addr(), nil)
		c.want("+OK")
		c.login()
		wg.Go(func() { c.cmd("+OK 1 ", "STAT") })
	}
	wg.Wait()
}
