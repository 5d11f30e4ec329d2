package command

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFailingCommandIsNoWrongUse: package cli takes an *exec.ExitError for one of its own.
func TestFailingCommandIsNoWrongUse(t *testing.T) {
	t.Parallel()
	failed := exec.Command("false").Run()
	if got := exit.Of(&pop3.LoginError{Login: "PLAIN", Err: fmt.Errorf("command pass: %w", failed)}); got != fetch.ExitAuth {
		t.Errorf("exit %d", got)
	}
	if got := exit.Of(failed); got == fetch.ExitUsage {
		t.Errorf("exit %d", got)
	}
}

// TestSecretsThatCannotBeHad: whichever secret it is, and whichever command wants it,
// the exit code is one; it is never that of a wrong command line.
func TestSecretsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	plain := pop3test.Options{Security: pop3test.Plain, Mechanisms: []string{"PLAIN", "XOAUTH2"}}
	for _, secret := range []struct {
		name, lines string
		code        int
	}{
		{"password", "password: {command: [sh, -c, exit 64]}", 77},
		{"no password", "auth: auto", 77},
		{"token", "auth: xoauth2\ntoken: {command: [sh, -c, exit 64]}", 77},
		{"SOCKS proxy", "password: x\nproxy: {url: \"socks5://PROXY\", user: x, password: {command: [sh, -c, exit 64]}}", 77},
		{"HTTP proxy", "password: x\nproxy: {url: \"http://PROXY\", user: x, password: {command: [sh, -c, exit 64]}}", 77},
		{"client secret", "oauth: {provider: custom, client_id: x, token_url: \"https://127.0.0.1:1/\", flow: client_credentials, " +
			"client_secret: {command: [sh, -c, exit 64]}}", 78},
	} {
		t.Run(secret.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := serve(t, dropOf(letters(1)), plain)
			lines := strings.ReplaceAll(secret.lines, "PROXY", s.Addr())
			l.account(append(l.to(s, plain), strings.Split(lines, "\n")...)...)
			for _, command := range []string{"fetch", "plan", "check --connect", "verify --server", "purge --yes lab",
				"state mark-seen --all lab"} {
				if o := l.child(strings.Fields(command)...); o.code != secret.code {
					t.Errorf("%s: want exit %d: %s", command, secret.code, o)
				}
			}
		})
	}
}
