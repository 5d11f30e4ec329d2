//go:build unix

package command

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// TestUnboundServer: a server that announces SCRAM-SHA-256-PLUS and cannot
// verify its channel binding (as Cyrus with TLS 1.3) gets SCRAM without it in
// one more session. That is remembered and said; the password is not blamed, is
// not sent in clear, and a wrong one is not tried for ever.
func TestUnboundServer(t *testing.T) {
	t.Parallel()
	const note, insist = "cannot verify it: logging in by SCRAM without it", "auth: scram-sha-256-plus"
	for name, tt := range map[string]struct {
		auth, password string
		offer          []string
		exit           int
		sessions       [2]int // of two runs
		says           string
		quirk          bool
	}{
		"auto": {"auto", secret, []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, 0, [2]int{2, 1}, note, true},
		"without it, named": {"scram-sha-256", secret, []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, 0, [2]int{1, 1},
			"", false},
		"with it, named": {"scram-sha-256-plus", secret, []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, 77,
			[2]int{1, 1}, "`auth: scram-sha-256` logs in without it", false},
		"wrong password": {"auto", "password: wrong-one", []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, 77,
			[2]int{2, 2}, "login (scram-sha-256)", false},
		"only PLAIN without it": {"auto", secret, []string{"PLAIN", "SCRAM-SHA-256-PLUS"}, 77, [2]int{2, 2},
			"login (scram-sha-256-plus)", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			o := pop3test.Options{Mechanisms: tt.offer, LoginError: "[AUTH] authenticating: bad protocol / cancel",
				SASL: map[string]func(*tls.ConnectionState) pop3test.ServerMech{
					"SCRAM-SHA-256":      scramServer(t, scram.SHA256, false),
					"SCRAM-SHA-256-PLUS": scramServer(t, scram.SHA256, false), // refuses each "p="
				}}
			s := serve(t, dropOf(letters(2)), o)
			l.account(append(l.to(s, o), tt.password, "auth: "+tt.auth)...)
			for i, sessions := range tt.sessions {
				before := s.Connections()
				out := l.run("fetch")
				if l.want(out, tt.exit); i == 0 && tt.says != "" {
					l.want(out, tt.exit, tt.says)
				}
				if got := s.Connections() - before; got != sessions {
					t.Errorf("run %d: %d sessions, want %d", i+1, got, sessions)
				}
			}
			if l.facts().NoBinding != tt.quirk {
				t.Errorf("quirk on record: %v", !tt.quirk)
			}
			if s.Count("AUTH PLAIN")+s.Count("USER") > 0 {
				t.Error("the password was sent in clear")
			}
			if tt.quirk {
				l.want(l.run("fetch"), 0)
				if out := l.run("state", "show", "lab"); !strings.Contains(out.out, "channel binding") {
					t.Errorf("state show: %s", out.out)
				}
				if out := l.run("check", "--connect"); out.code != 0 || strings.Count(out.out, "cannot verify the channel binding") != 1 {
					t.Errorf("check --connect: exit %d\n%s", out.code, out.out)
				}
				l.account(append(l.to(s, o), tt.password, insist)...)
				l.want(l.run("fetch"), 77)
			}
		})
	}
}

// TestCyrusBinding: a real Cyrus says "bad protocol / cancel" to a binding that
// it does not know, and "authentication failure" to a wrong password.
func TestCyrusBinding(t *testing.T) {
	t.Parallel()
	cyrus := realtest.Cyrus(t)
	cyrus.Add(letters(1))
	l := newLab(t)
	l.account(cyrus.Account...)
	l.want(l.run("fetch"), 0, "cannot verify it: logging in by SCRAM without it")
	out := l.run("-vv", "fetch")
	l.want(out, 0, "AUTH SCRAM-SHA-256 ")
	if f := l.facts(); strings.Contains(out.err, "AUTH SCRAM-SHA-256-PLUS") || !f.NoBinding || f.AuthName != "SCRAM-SHA-256" {
		t.Errorf("%+v\n%s", f, out.err)
	}
	l.account(append(slices.Clone(cyrus.Account), "auth: scram-sha-256-plus")...)
	l.want(l.run("fetch"), 77, "`auth: scram-sha-256` logs in without it")
	wrong := slices.Clone(cyrus.Account)
	wrong[slices.IndexFunc(wrong, func(line string) bool { return strings.HasPrefix(line, "password:") })] = "password: wrong-one"
	l.account(wrong...)
	l.want(l.run("fetch"), 77, "User name or password is wrong")
}
