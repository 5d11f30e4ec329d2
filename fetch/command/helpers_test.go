package command

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// silentBus is a D-Bus that accepts connections, which it notes in a file, and never
// answers, as a keyring does whose prompt nobody sees.
func silentBus(t *testing.T, note string) (address string) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var held []net.Conn // else the collector would close them
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			held = append(held, c)
			_ = os.WriteFile(note, nil, 0o600)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	return "unix:path=" + path
}

// helper is one that never ends, as an account names it, and what its end comes to.
type helper struct {
	name, lines string // HANG is the command
	code        int
	says        string
}

var helpers = []helper{
	{"password", "password: {command: HANG}", 77, "command sh: took longer than 1s"},
	{"token", "auth: xoauth2\ntoken: {command: HANG}", 77, "command sh: took longer than 1s"},
	{"client secret", "oauth: {provider: custom, client_id: x, token_url: \"https://127.0.0.1:1/\", flow: client_credentials, " +
		"client_secret: {command: HANG}}",
		78, "client secret: command sh: took longer than 1s"},
	{"proxy password", "password: x\nproxy: {url: \"socks5://127.0.0.1:1\", user: x, password: {command: HANG}}", 77,
		"proxy password: command sh: took longer than 1s"},
	{"keyring", "password: {keyring: mail}", 77, "keyring mail: took longer than 1s"},
	{"tokens", "oauth: {provider: custom, client_id: x, token_url: TOKENS, flow: client_credentials, client_secret: x, tokens: keyring}",
		74, "keyring: took longer than 1s"},
	{"before", "password: x\nbefore: HANG", 75, "before: sh: took longer than 1s"},
	{"after", "password: " + password + "\nafter: HANG", 0, "sh: took longer than 1s"},
	{"tunnel", "password: x\ntunnel: HANG\ntimeouts: {connect: LIMIT}", 69, "The command of `tunnel`"},
}

// account is the configuration with the helper. Its command says in the file "at"
// that it runs, and waits, as a child of its own does.
func (h *helper) account(t *testing.T, limit string) *lab {
	l := newLab(t)
	l.env = []string{"DBUS_SESSION_BUS_ADDRESS=" + silentBus(t, l.path("at"))}
	s := serve(t, dropOf(letters(1)), pop3test.Options{Security: pop3test.Plain, Mechanisms: []string{"PLAIN", "XOAUTH2"}})
	hang := `[sh, -c, "touch ` + l.path("at") + `; sleep 1000; true"]`
	lines := strings.NewReplacer("HANG", hang, "TOKENS", newAuthServer(t).URL+"/token", "LIMIT", limit).Replace(h.lines)
	l.account(append(l.to(s, pop3test.Options{Security: pop3test.Plain}),
		append(strings.Split(lines, "\n"), "helper_timeout: "+limit)...)...)
	return l
}

// TestHelpersThatHang: every helper has a deadline, which is named.
func TestHelpersThatHang(t *testing.T) {
	t.Parallel()
	for _, h := range helpers {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l := h.account(t, "1s")
			o := l.child("-v", "fetch")
			l.want(o, h.code, h.says)
			if o.took > 8*time.Second || h.name != "tunnel" && h.name != "after" && !strings.Contains(o.err, "helper_timeout") {
				t.Errorf("%s", o)
			}
		})
	}
}

// TestHelpersEndAtSignal: a signal does not wait for a helper. What runs after a run
// has 10 s; everything else ends at once.
func TestHelpersEndAtSignal(t *testing.T) {
	t.Parallel()
	for _, h := range helpers {
		if h.name == "after" {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			l := h.account(t, "1m")
			cmd := l.command(t.Context(), "fetch")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // another process: nothing to wait for
				if _, err := os.Stat(l.path("at")); err == nil || time.Now().After(end) {
					break
				}
			}
			began := time.Now()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			if code, took := cmd.ProcessState.ExitCode(), time.Since(began); code != 143 || took > 5*time.Second {
				t.Errorf("exit %d after %s", code, took)
			}
		})
	}
}
