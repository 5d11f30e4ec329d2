package sasl_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// dovecot is a private server for user alice with password sesame.
type dovecot struct {
	*pop3test.Dovecot
	// secret signs tokens.
	secret []byte
}

// startDovecot also takes GSSAPI if there is a KDC. It has another user, bob.
func startDovecot(t *testing.T, kdc *pop3test.KDC) *dovecot {
	t.Helper()
	secret := []byte("0123456789abcdef0123456789abcdef")
	o := pop3test.DovecotOptions{
		Users:      map[string]string{"alice": "sesame", "bob": "sesame"},
		Mechanisms: strings.Fields("plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 external xoauth2 oauthbearer"),
		TokenKeys:  map[string][]byte{"default/HS256/default": []byte(base64.StdEncoding.EncodeToString(secret))},
		Config:     "auth_username_format = %Ln",
	}
	if kdc != nil {
		o.Mechanisms, o.Keytab, o.Krb5Config = append(o.Mechanisms, "gssapi"), kdc.Keytab, kdc.Config
	}
	return &dovecot{pop3test.StartDovecot(t, o), secret}
}

// dial opens a session over TLS; withCert presents alice's certificate.
func (d *dovecot) dial(t *testing.T, withCert bool) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	config := d.CA.ClientTLS()
	if withCert {
		config.Certificates = []tls.Certificate{d.CA.Client("alice")}
	}
	conn, err := tls.Dial("tcp", d.TLSAddr(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	if line := readLine(t, r); !strings.HasPrefix(line, "+OK") {
		t.Fatal(line)
	}
	return conn, r
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(line, "\r\n")
}

// channel is what a mechanism learns of the session.
func (d *dovecot) channel(conn *tls.Conn) sasl.Channel {
	state := conn.ConnectionState()
	return sasl.Channel{Host: "localhost", Port: d.TLSPort, TLS: &state, Offered: []string{"PLAIN", "SCRAM-SHA-256"}}
}

// auth runs the exchange as RFC 5034 says and returns the server's last line and
// the error of a step of ours.
func auth(t *testing.T, conn net.Conn, r *bufio.Reader, m sasl.Mechanism) (last string, err error) {
	t.Helper()
	name, initial, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	send := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	if initial != nil && len(initial) == 0 {
		send("AUTH " + name + " =")
	} else {
		send("AUTH " + name)
	}
	for range 10 {
		line := readLine(t, r)
		rest, more := strings.CutPrefix(line, "+ ")
		if !more {
			return line, nil
		}
		challenge, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			t.Fatal(err)
		}
		answer := initial
		if len(initial) > 0 {
			initial = nil
		} else if answer, err = m.Next(challenge); err != nil {
			send("*")
			return readLine(t, r), err
		}
		send(base64.StdEncoding.EncodeToString(answer))
	}
	t.Fatal("the exchange does not end")
	return "", nil
}

// mustLogin wants success, seen by both sides, and a session that works.
func mustLogin(t *testing.T, conn net.Conn, r *bufio.Reader, m sasl.Mechanism) {
	t.Helper()
	last, err := auth(t, conn, r, m)
	if err != nil || !strings.HasPrefix(last, "+OK") {
		t.Fatalf("%s, %v", last, err)
	}
	if c, ok := m.(sasl.Completer); ok {
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(conn, "STAT\r\nQUIT\r\n")
	if line := readLine(t, r); !strings.HasPrefix(line, "+OK 0 0") {
		t.Fatal(line)
	}
}
