package pop3test_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func filled(n int) *pop3test.Maildrop {
	d := &pop3test.Maildrop{}
	d.AddAll(pop3test.CorpusOptions{Seed: 1, N: n, Small: true, Bare: true}.Generate())
	return d
}

func TestRetrieveIsExact(t *testing.T) {
	for _, security := range []pop3test.Security{pop3test.ImplicitTLS, pop3test.STLS, pop3test.Plain} {
		d := filled(30)
		s := pop3test.NewServer(d, pop3test.Options{Security: security})
		defer s.Close()
		var config *tls.Config
		if security == pop3test.ImplicitTLS {
			config = s.CA.ClientTLS()
		}
		c := dial(t, s.Addr(), config)
		c.want("+OK pop3test ready")
		if security == pop3test.STLS {
			c.cmd("-ERR", "USER alice")
			c.cmd("+OK", "STLS")
			c.startTLS(s.CA.ClientTLS())
		}
		c.login()
		for i, m := range d.Messages() {
			c.cmd("+OK", "RETR %d", i+1)
			if got, want := c.body(), pop3test.WireForm(m.Body); !bytes.Equal(got, want) {
				t.Errorf("message %d differs: %d bytes, want %d", i+1, len(got), len(want))
			}
			c.cmd("+OK", "DELE %d", i+1)
		}
		if d.Len() != 30 {
			t.Errorf("DELE took effect before QUIT: %d left", d.Len())
		}
		c.cmd("+OK", "QUIT")
		c.wantEOF()
		if d.Len() != 0 || s.Sessions() != 1 || s.Connections() != 1 {
			t.Errorf("left %d, sessions %d, connections %d", d.Len(), s.Sessions(), s.Connections())
		}
	}
}

func TestNoQuitDeletesNothing(t *testing.T) {
	d := filled(2)
	s, c := plain(t, d, pop3test.Options{})
	c.login()
	c.cmd("+OK", "DELE 1")
	c.cmd("-ERR", "RETR 1")
	c.cmd("+OK 1 ", "STAT")
	c.cmd("+OK", "RSET")
	c.cmd("+OK 2 ", "STAT")
	c.cmd("+OK", "DELE 2")
	c.conn.Close()
	s.Close()
	if d.Len() != 2 {
		t.Errorf("%d left, want 2", d.Len())
	}
	want := []string{"USER alice", "PASS secret", "DELE 1", "RETR 1", "STAT", "RSET", "STAT", "DELE 2"}
	if diff := cmp.Diff(want, s.Commands()); diff != "" {
		t.Error(diff)
	}
}

func TestListings(t *testing.T) {
	d := &pop3test.Maildrop{}
	for _, uid := range []string{"a", "b", "b"} {
		d.Add(uid, []byte("S: 1\r\n\r\n.x"))
	}
	_, c := plain(t, d, pop3test.Options{
		UIDLLine: func(num int, uid string) string { return strings.Repeat(" ", num) + uid },
		Size:     func(num int, size int64) int64 { return size - int64(num) },
	})
	c.login()
	c.send("UIDL\r\nLIST\r\nTOP 1 0\r\nTOP 1 1\r\nUIDL 2\r\nUIDL 4") // pipelined
	for _, want := range []string{" a\r\n  b\r\n   b\r\n", "1 11\r\n2 10\r\n3 9\r\n", "S: 1\r\n\r\n", "S: 1\r\n\r\n.x\r\n"} {
		c.want("+OK")
		if diff := cmp.Diff(want, string(c.body())); diff != "" {
			t.Error(diff)
		}
	}
	c.want("+OK   b")
	c.want("-ERR")
}

func TestMaildropModes(t *testing.T) {
	list := func(d *pop3test.Maildrop, user string, retr int) string {
		_, c := plain(t, d, pop3test.Options{})
		c.cmd("+OK", "USER %s", user)
		c.cmd("+OK", "PASS secret")
		for i := range retr {
			c.cmd("+OK", "RETR %d", i+1)
			c.body()
		}
		c.cmd("+OK", "UIDL")
		b := strings.Join(strings.Fields(string(c.body())), " ")
		c.cmd("+OK", "QUIT")
		return b
	}
	fill := func(d *pop3test.Maildrop) *pop3test.Maildrop {
		for _, uid := range []string{"a", "b", "c"} {
			d.Add(uid, []byte("S: 1\r\n\r\n"))
		}
		return d
	}
	gmail := fill(&pop3test.Maildrop{Gmail: true, Oldest: 2})
	got := []string{
		list(fill(&pop3test.Maildrop{Newest: 2}), "alice", 0),
		list(fill(&pop3test.Maildrop{Oldest: 2}), "alice", 2),
		list(gmail, "alice", 1), list(gmail, "alice", 0), list(gmail, "recent:alice", 0),
	}
	want := []string{"1 b 2 c", "1 a 2 b", "1 a 2 b", "1 b 2 c", "1 a 2 b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExclusive(t *testing.T) {
	d := filled(1)
	d.Exclusive = true
	s, c := plain(t, d, pop3test.Options{LoginDelay: time.Hour})
	c.login()
	second := dial(t, s.Addr(), nil)
	second.want("+OK")
	second.cmd("+OK", "USER alice")
	second.cmd("-ERR [IN-USE]", "PASS secret")
	c.cmd("+OK", "QUIT")
	c.wantEOF() // the lock is released before the connection is closed
	second.cmd("+OK", "USER alice")
	second.cmd("-ERR [LOGIN-DELAY]", "PASS secret")
}

func TestCapaFollowsState(t *testing.T) {
	s := pop3test.NewServer(filled(1), pop3test.Options{Security: pop3test.STLS, Mechanisms: []string{"PLAIN", "LOGIN"}, Expire: "0"})
	defer s.Close()
	c := dial(t, s.Addr(), nil)
	c.want("+OK")
	capa := func() []string {
		c.cmd("+OK", "CAPA")
		return strings.Split(string(c.body()), "\r\n")
	}
	before := capa()
	c.cmd("+OK", "STLS")
	c.startTLS(s.CA.ClientTLS())
	after := capa()
	for _, tt := range []struct {
		list []string
		name string
		want bool
	}{{before, "STLS", true}, {before, "USER", false}, {after, "STLS", false}, {after, "USER", true},
		{after, "SASL PLAIN LOGIN", true}, {after, "EXPIRE 0", true}, {after, "PIPELINING", true}} {
		if got := slices.Contains(tt.list, tt.name); got != tt.want {
			t.Errorf("%s announced: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLogins(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	all := []string{"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"}
	tests := []struct {
		name  string
		lines [][2]string // send, want
	}{
		{"plain", [][2]string{{"AUTH PLAIN " + b64("\x00alice\x00secret"), "+OK"}}},
		{"plain two steps", [][2]string{{"AUTH PLAIN", "+ "}, {b64("\x00alice\x00secret"), "+OK"}}},
		{"plain wrong", [][2]string{{"AUTH PLAIN " + b64("\x00alice\x00wrong"), "-ERR [AUTH]"}}},
		{"login", [][2]string{{"AUTH LOGIN", "+ "}, {b64("alice"), "+ "}, {b64("secret"), "+OK"}}},
		{"cancel", [][2]string{{"AUTH LOGIN", "+ "}, {"*", "-ERR cancelled"}}},
		{"not base64", [][2]string{{"AUTH LOGIN", "+ "}, {"!", "-ERR bad"}}},
		{"xoauth2", [][2]string{{"AUTH XOAUTH2", "+ "}, {b64("user=alice\x01auth=Bearer secret\x01\x01"), "+OK"}}},
		{"xoauth2 wrong", [][2]string{{"AUTH XOAUTH2", "+ "}, {b64("user=alice\x01auth=Bearer no\x01\x01"), "+ ey"}, {"", "-ERR [AUTH]"}}},
		{"oauthbearer", [][2]string{{"AUTH OAUTHBEARER", "+ "},
			{b64("n,a=alice,\x01host=h\x01port=1\x01auth=Bearer secret\x01\x01"), "+OK"}}},
		{"external without certificate", [][2]string{{"AUTH EXTERNAL =", "-ERR [AUTH]"}}},
		{"apop", [][2]string{{"APOP alice 5c8eda4297d9b6a2fa8e5b8e08a3ccc1", "-ERR [AUTH]"}}},
		{"unknown", [][2]string{{"AUTH X", "-ERR"}}},
		{"pass first", [][2]string{{"PASS secret", "-ERR"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c := plain(t, filled(1), pop3test.Options{Mechanisms: all, APOP: true})
			for _, l := range tt.lines {
				c.cmd(l[1], "%s", l[0])
			}
		})
	}
}

// TestDigestLogins computes the answers to a fresh challenge.
func TestDigestLogins(t *testing.T) {
	s := pop3test.NewServer(filled(1), pop3test.Options{Security: pop3test.Plain, APOP: true, Mechanisms: []string{"CRAM-MD5"}})
	defer s.Close()
	c := dial(t, s.Addr(), nil)
	greeting := c.want("+OK")
	sum := md5.Sum([]byte(greeting[strings.Index(greeting, "<"):] + "secret"))
	c.cmd("+OK", "APOP alice %x", sum)

	c = dial(t, s.Addr(), nil)
	c.want("+OK")
	challenge, err := base64.StdEncoding.DecodeString(c.cmd("+ ", "AUTH CRAM-MD5")[2:])
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(md5.New, []byte("secret"))
	mac.Write(challenge)
	c.cmd("+OK", "%s", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "alice %x", mac.Sum(nil))))
}

// echoMech is a mechanism from outside: the second response names the user.
type echoMech struct{ user string }

func (m *echoMech) User() string { return m.user }

func (m *echoMech) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte("who"), false, nil
	}
	m.user = string(response)
	return nil, true, nil
}

func TestOptions(t *testing.T) {
	o := pop3test.Options{
		SASL: map[string]func(*tls.ConnectionState) pop3test.ServerMech{
			"X-ECHO": func(*tls.ConnectionState) pop3test.ServerMech { return &echoMech{} }},
		Mechanisms: []string{"X-ECHO", "PLAIN"}, TwoStepAuth: true, UTF8: pop3test.UTF8Required,
		Capa: []string{"A"}, CapaAfterLogin: []string{"B"}, NoTOP: true, NoUIDL: true,
	}
	d := &pop3test.Maildrop{}
	d.Add("", []byte("Subject: \xc3\xbc\r\n\r\n"))
	s, c := plain(t, d, o)
	c.cmd("+OK", "AUTH")
	if got := string(c.body()); got != "X-ECHO\r\nPLAIN\r\n" {
		t.Errorf("mechanisms %q", got)
	}
	c.cmd("+OK", "CAPA")
	if got := string(c.body()); got != "A\r\n" {
		t.Errorf("capabilities %q", got)
	}
	c.cmd("+ d2hv", "AUTH X-ECHO")
	c.cmd("+OK", "YWxpY2U=")
	c.cmd("+OK", "CAPA")
	if got := string(c.body()); got != "B\r\n" {
		t.Errorf("capabilities after login %q", got)
	}
	c.cmd("-ERR [UTF8]", "RETR 1")
	c.cmd("-ERR", "TOP 1 0")
	c.cmd("-ERR", "UIDL")
	c = dial(t, s.Addr(), nil)
	c.want("+OK")
	c.cmd("+OK", "UTF8")
	c.login()
	c.cmd("+OK", "RETR 1")
	c = dial(t, s.Addr(), nil)
	c.want("+OK")
	c.cmd("-ERR Protocol error", "AUTH PLAIN =")
	c.wantEOF()
}

func TestExternal(t *testing.T) {
	s := pop3test.NewServer(filled(1), pop3test.Options{Mechanisms: []string{"EXTERNAL"}, ClientAuth: tls.VerifyClientCertIfGiven})
	defer s.Close()
	config := s.CA.ClientTLS()
	config.Certificates = []tls.Certificate{s.CA.Client("alice")}
	c := dial(t, s.Addr(), config)
	c.want("+OK")
	c.cmd("+OK", "AUTH EXTERNAL =")
}

func TestCertificates(t *testing.T) {
	ca := pop3test.NewCA()
	tests := []struct {
		name string
		cert tls.Certificate
		want string
	}{
		{"good", ca.Leaf("localhost"), ""},
		{"expired", ca.Expired("localhost"), "expired"},
		{"not yet", ca.NotYetValid("localhost"), "not yet valid"},
		{"wrong host", ca.WrongHost(), "other.example"},
		{"self-signed", ca.SelfSigned("localhost"), "unknown authority"},
		{"other root", pop3test.NewCA().Leaf("localhost"), "unknown authority"},
	}
	for _, tt := range tests {
		s := pop3test.NewServer(filled(1), pop3test.Options{CA: ca, Certificate: &tt.cert})
		conn, err := tls.Dial("tcp", s.Addr(), ca.ClientTLS())
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			conn.Close()
		}
		s.Close()
	}
}
