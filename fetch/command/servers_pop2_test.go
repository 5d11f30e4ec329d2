package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop2/pop2test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// pop2 is a server with n letters, and the account's lines for it.
func pop2(t *testing.T, n int, s *pop2test.Server) (*pop2test.Server, []string) {
	t.Helper()
	s.User, s.Password, s.Drop = "alice", password, &pop3test.Maildrop{}
	s.Drop.AddAll(letters(n))
	pop2test.Start(t, s)
	return s, []string{"server: " + s.Addr(), "protocol: pop2", "password: " + password}
}

func TestPOP2Keep(t *testing.T) {
	t.Parallel()
	s, lines := pop2(t, 5, &pop2test.Server{})
	l := newLab(t)
	l.account(lines...)
	o := l.run("-vv", "fetch")
	l.want(o, 0)
	l.wantMail(letters(5))
	if strings.Contains(o.out+o.err, password) {
		t.Errorf("the output holds the password: %s", o)
	}
	for _, line := range []string{"HELO alice ****", "READ 1", "ACKS"} {
		if !strings.Contains(o.err, line) {
			t.Errorf("the dialogue does not show %q: %s", line, o)
		}
	}
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
	if s.Count("ACKS") != 5 || s.Count("ACKD") != 0 || s.Drop.Len() != 5 {
		t.Errorf("%d kept, %d deleted: %q", s.Count("ACKS"), s.Count("ACKD"), s.Commands())
	}
	o = l.run("check", "--connect")
	l.want(o, 0)
	if !strings.Contains(o.out, "everything works") || !strings.Contains(o.out, ", pop2\n") {
		t.Error(o)
	}
	o = l.run("plan")
	l.want(o, 0)
	o = l.run("verify", "--server")
	l.want(o, 0)
	s.Drop.Remove(0)
	s.Drop.AddAll(letters(7)[5:])
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(7))
	l.want(l.run("purge", "--yes", "lab"), 0)
	if s.Drop.Len() != 0 {
		t.Errorf("purge left %d", s.Drop.Len())
	}
}

func TestPOP2Delete(t *testing.T) {
	t.Parallel()
	s, lines := pop2(t, 5, &pop2test.Server{})
	l := newLab(t)
	l.account(append(lines, "keep: none")...)
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
	if s.Drop.Len() != 0 || s.Count("ACKD") != 5 {
		t.Errorf("%d left: %q", s.Drop.Len(), s.Commands())
	}
}

func TestPOP2Folder(t *testing.T) {
	t.Parallel()
	folder := &pop3test.Maildrop{}
	folder.AddAll(letters(7)[5:])
	_, lines := pop2(t, 5, &pop2test.Server{Folders: map[string]*pop3test.Maildrop{"/usr/spool/mail/a b": folder}})
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(lines, "id: lab", "user: alice /usr/spool/mail/a b",
		"deliver:\n  - maildir: "+l.path("Maildir")))))
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(7)[5:])
}

// TestPOP2Trouble is about servers that refuse, or that break the protocol.
func TestPOP2Trouble(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		at, instead string
		exit        int
		words       []string
	}{
		{"HELO", "- Login error for alice " + password + "\r\n", 77, []string{"server refused: Login error",
			"User name or password is wrong"}},
		{"READ 3", "- Disk trouble\r\n", 75, []string{"server refused: Disk trouble"}},
		{"READ 3", "+ what\r\n", 76, []string{"not a reply of POP2", "+ what"}},
		{"READ 3", "", 69, []string{"server closed the connection"}},
		{"ACKS", "more of the message\r\n", 76, []string{"not a reply of POP2", "more of the message"}},
	} {
		t.Run(tt.at+" "+tt.instead, func(t *testing.T) {
			t.Parallel()
			s := &pop2test.Server{}
			s.Change = func(command string) string {
				if !strings.HasPrefix(command, tt.at) {
					return ""
				}
				return tt.instead + " "[:1-min(1, len(tt.instead))]
			}
			_, lines := pop2(t, 3, s)
			l := newLab(t)
			l.account(lines...)
			o := l.run("fetch")
			l.want(o, tt.exit, tt.words...)
			wantNoSecretLines(t, o, password)
		})
	}
}

func TestPOP2Config(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ lines, want string }{
		{"server: pop2.example", "insecure: true allows it"},
		{"server: pop2.example\ninsecure: true", ""},
		{"server: pop2.example\ntunnel: [nc, \"%h\", \"%p\"]", ""},
		{"server: localhost", ""},
		{"server: localhost\ntls: none", ""},
		{"server: localhost\ntls: implicit", "conflicts with protocol: pop2"},
		{"server: localhost\ntls: stls", "conflicts with protocol: pop2"},
		{"server: localhost\nauth: scram-sha-256", "conflicts with protocol: pop2"},
		{"server: localhost\nca_file: /etc/hosts", "no use with tls: none"},
	} {
		l := newLab(t)
		l.account(append(strings.Split(tt.lines, "\n"), "protocol: pop2", "password: "+password)...)
		o := l.run("check")
		if want := map[bool]int{true: 0, false: 78}[tt.want == ""]; o.code != want || !strings.Contains(fmt.Sprint(o), tt.want) {
			t.Errorf("%s: %s", tt.lines, o)
		}
	}
	l := newLab(t)
	l.write("config.yaml", []byte("defaults: {tls: stls, protocol: pop2}\n"+accountYAML("lab", []string{"user: a", "server: localhost",
		"protocol: pop3", "deliver: [{maildir: " + l.path("M") + "}]"})))
	l.want(l.run("check"), 0)
}

// TestPOP2Hasty: a server may delete without QUIT, so nothing is said of what it keeps.
func TestPOP2Hasty(t *testing.T) {
	t.Parallel()
	acked := 0
	s, lines := pop2(t, 5, &pop2test.Server{Hasty: true, Change: func(command string) string {
		if command == "ACKD" {
			acked++
		}
		if acked == 3 {
			acked++
			return " "
		}
		return ""
	}})
	l := newLab(t)
	l.account(append(lines, "keep: none")...)
	o := l.run("fetch")
	if o.code == 0 || strings.Contains(o.out+o.err, "keeps") || s.Drop.Len() != 3 {
		t.Error(s.Drop.Len(), o)
	}
	o = l.run("fetch")
	l.want(o, 0, "2 of the 5 messages whose deletion was not confirmed are gone")
	l.wantMail(letters(5))
	if s.Drop.Len() != 0 {
		t.Error(s.Drop.Len())
	}
}
