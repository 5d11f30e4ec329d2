//go:build unix

package command

import (
	"bytes"
	"encoding/pem"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// jmapLab is an account whose mail goes to a JMAP server by these keys.
func jmapLab(t *testing.T, drop *pop3test.Maildrop, keys string) *lab {
	t.Helper()
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "id: lab", "user: alice", "password: "+password,
		"keep: none", "deliver:\n  - jmap: {"+keys+"}"))))
	return l
}

// says is want for both outputs.
func (l *lab) says(o outcome, code int, texts ...string) {
	l.t.Helper()
	l.want(o, code)
	wantAll(l.t, strings.Join(strings.Fields(o.out+o.err), " "), texts...)
}

// secureJMAP starts a server with TLS, and returns the keys of a target that trusts it.
func secureJMAP(t *testing.T, l *lab, set func(*jmaptest.Server)) (s *jmaptest.Server, keys string) {
	t.Helper()
	s = jmaptest.New()
	set(s)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := l.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return s, "server: " + s.Listener.Addr().String() + ", ca_file: " + ca
}

// TestJMAP delivers, reads back, deletes and reports, with a token and with a password.
func TestJMAP(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]string{
		"token":    "token: " + jmaptest.Token,
		"password": "user: alice, password: " + jmaptest.Password,
	} {
		t.Run(name, func(t *testing.T) {
			s, keys := secureJMAP(t, newLab(t), func(*jmaptest.Server) {})
			drop := dropOf(letters(7))
			l := jmapLab(t, drop, keys+", "+login+", mailbox: Archive/Old, keywords: [$Moved]")
			l.says(l.run("check", "--connect"), 0, "JMAP account u1", "Archive/Old does not exist: it will be created", "50000000 octets")
			l.says(l.run("fetch"), 0, "7 messages fetched")
			if n := len(s.Mail("Archive/Old")); n != 7 || drop.Len() != 0 {
				t.Errorf("%d arrived, %d are left", n, drop.Len())
			}
			if e := s.Emails()[0]; !e.Keywords["$Moved"] || e.Keywords["$seen"] {
				t.Errorf("keywords: %v", e.Keywords)
			}
			l.want(l.run("verify"), 0)
			if r := l.report(); !r.Safe {
				t.Errorf("the report says no: %+v", r)
			}
			s.Emails()[0].Text = append(s.Emails()[0].Text, "more\r\n"...)
			s.Emails()[1].Destroyed = true
			l.says(l.run("verify"), 65, "1 altered", "1 missing")
		})
	}
}

// TestJMAPRefused: each fault of the target's side ends with its status, says which of
// the two servers is meant, and deletes nothing.
func TestJMAPRefused(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections that nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	status := func(code int, header ...string) func(*jmaptest.Server) {
		return func(s *jmaptest.Server) {
			s.Before = func(w http.ResponseWriter, _ *http.Request, kind string, _ int) bool {
				if len(header) > 0 {
					w.Header().Set(header[0], header[1])
				}
				w.WriteHeader(code)
				return true
			}
		}
	}
	good, none := "token: "+jmaptest.Token, func(*jmaptest.Server) {}
	for name, c := range map[string]struct {
		set  func(*jmaptest.Server)
		keys string // in place of the server's
		more string
		code int
		says []string
	}{
		"wrong token": {set: none, more: "token: wrong", code: 77,
			says: []string{"no other token than the one that was refused", "is the token of the target right"}},
		"wrong password":    {set: none, more: "user: alice, password: wrong", code: 77, says: []string{"HTTP 401"}},
		"unknown authority": {set: none, more: good + ", ca_file: ''", code: 77, says: []string{"ca_file of the target"}},
		"another host": {set: status(302, "Location", "https://evil.example/jmap"), more: good, code: 73,
			says: []string{"https://evil.example", "No login was sent there"}},
		"no JMAP": {set: status(200), more: good, code: 75, says: []string{"no JMAP server"}},
		"away":    {set: status(503), more: good, code: 75, says: []string{"takes nothing now"}},
		"slower":  {set: status(429, "Retry-After", "900"), more: good, code: 75, says: []string{"wants a pause of 15m"}},
		"nobody there": {keys: "server: " + closedAddr(t), more: good, code: 75,
			says: []string{"nothing listens on that port"}},
		"silent": {keys: "server: " + silent.Addr().String() + ", tls: none, timeout: 1s", more: good, code: 75,
			says: []string{"did not answer in time"}},
		"no such name": {keys: "server: nowhere.invalid", more: good, code: 75, says: []string{"name does not exist"}},
		"read-only": {set: func(s *jmaptest.Server) {
			s.Links = func(v map[string]any) { v["accounts"] = map[string]any{"u1": map[string]any{"isReadOnly": true}} }
		}, more: good, code: 73, says: []string{"read-only"}},
	} {
		t.Run(name, func(t *testing.T) {
			drop, keys := dropOf(letters(2)), c.keys
			if c.set != nil {
				_, keys = secureJMAP(t, newLab(t), c.set)
			}
			if name == "unknown authority" {
				keys, _, _ = strings.Cut(keys, ", ")
				c.more = good
			}
			l := jmapLab(t, drop, keys+", "+c.more)
			for _, command := range [][]string{{"fetch"}, {"check", "--connect"}} {
				out := l.run(command...)
				l.want(out, c.code)
				text := strings.Join(strings.Fields(out.out+out.err), " ")
				for _, says := range append(c.says, "This is the mailbox that the mail goes to, not the one that it comes from.") {
					if !strings.Contains(text, says) {
						t.Errorf("%v does not say %q: %v", command, says, out)
					}
				}
				if strings.Contains(text, jmaptest.Token) {
					t.Errorf("%v shows the token: %v", command, out)
				}
			}
			if drop.Len() != 2 {
				t.Errorf("%d left on the server", drop.Len())
			}
		})
	}
}

// TestJMAPQuarantine: what the server refuses for good is quarantined with its reason.
func TestJMAPQuarantine(t *testing.T) {
	t.Parallel()
	s, keys := secureJMAP(t, newLab(t), func(s *jmaptest.Server) {
		s.Import = func(m []byte) map[string]any {
			if strings.Contains(string(m), "number 2\r\n") {
				return map[string]any{"type": "invalidEmail", "description": "no From"}
			}
			return nil
		}
	})
	drop := dropOf(letters(3))
	l := jmapLab(t, drop, keys+", token: "+jmaptest.Token)
	l.says(l.run("fetch"), 65, "invalidEmail: no From", "quarantine")
	if n := len(s.Mail("Inbox")); n != 2 {
		t.Errorf("%d arrived", n)
	}
}

// TestJMAPCyrus moves a mailbox from Dovecot to Cyrus by JMAP, with kills: each message
// is there once, and read back.
func TestJMAPCyrus(t *testing.T) {
	t.Parallel()
	to := realtest.CyrusJMAP(t, "")
	from := realtest.Dovecot(t)
	messages := pop3test.Corpus(19, 150)
	from.Add(messages)
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append([]string{"id: lab", "user: alice", "deliver:\n  - jmap: {server: " + to.HTTPS +
		", ca_file: " + to.CA + ", user: alice, password: " + realtest.Password + "}"}, from.Account...))))
	for kill := 1; kill <= 4; kill++ {
		goal := kill * len(messages) / 6
		if !l.killed(func() bool { return len(to.Kept("INBOX")) >= goal }, "fetch") {
			t.Fatalf("kill %d: the run ended before it", kill)
		}
	}
	l.want(l.run("fetch"), 0)
	l.want(l.run("fetch"), 0)
	kept := bySum(to.Kept("INBOX"), bytes.Clone)
	for sum, n := range bySum(messages, bytes.Clone) {
		if n > 0 && kept[sum] != 1 {
			t.Errorf("a message is there %d times", kept[sum])
		}
	}
	l.run("verify")
	if r := l.report(); !r.Safe {
		t.Errorf("the report says no: %+v", r)
	}
}
