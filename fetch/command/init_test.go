package command

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// initAt runs init without a terminal in a home of its own.
func initAt(t *testing.T, home string, args ...string) (code int, out string) {
	t.Helper()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "etc"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	t.Setenv("MAILHAUL_PASSWORD", "secret")
	var b strings.Builder
	code = Main(t.Context(), append([]string{"mailhaul", "init"}, args...), term.Streams{Out: &b, Err: &b})
	return code, b.String()
}

// TestInitProposesWhatTheProviderPublishes: the server is found in a database
// of the form of Thunderbird's, and mail can be fetched from it.
func TestInitProposesWhatTheProviderPublishes(t *testing.T) {
	ca := pop3test.NewCA()
	pop := pop3test.NewServer(&pop3test.Maildrop{}, pop3test.Options{CA: ca, Security: pop3test.STLS})
	defer pop.Close()
	_, port, _ := net.SplitHostPort(pop.Addr())
	var asked []string
	db := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		_, _ = fmt.Fprintf(w, `<clientConfig><emailProvider><displayName>Example</displayName><incomingServer type="pop3">
		<hostname>localhost</hostname><port>%s</port>
			<socketType>STARTTLS</socketType><username>%%EMAILLOCALPART%%</username><authentication>password-cleartext</authentication>
			</incomingServer>
			<enable visiturl="https://example.org/pop"><instruction lang="en">Switch POP on</instruction></enable></emailProvider>
			</clientConfig>`, port)
	}))
	db.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Leaf("127.0.0.1")}}
	db.StartTLS()
	defer db.Close()
	home := t.TempDir()
	root, err := ca.WriteRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	code, out := initAt(t, home, "--address", "alice@example.org", "--yes", "--ca-file", root, "--ispdb", db.URL)
	if code != 0 || !strings.Contains(out, "Switch POP on https://example.org/pop") || !strings.Contains(out, "everything works") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	if len(asked) != 1 || asked[0] != "/example.org" {
		t.Errorf("asked %q", asked)
	}
	conf, err := config.Load(filepath.Join(home, "etc", "mailhaul", "config.yaml"), configOptions())
	if err != nil {
		t.Fatal(err)
	}
	if a := conf.Accounts[0]; a.User != "alice" || a.Server.Security != pop3.STLS || a.Name != "example" || !a.Policy.Keep.All() {
		t.Errorf("%+v", a)
	}
}

// TestInitWritesFilesForTheirOwner only.
func TestInitWritesFilesForTheirOwner(t *testing.T) {
	home := t.TempDir()
	if code, out := initAt(t, home, "--address", "alice@gmail.com", "--yes", "--no-connect"); code != 0 {
		t.Fatal(code, out)
	}
	for name, want := range map[string]os.FileMode{"etc/mailhaul": 0o700, "etc/mailhaul/passwords": 0o700,
		"etc/mailhaul/config.yaml": 0o600, "etc/mailhaul/passwords/gmail": 0o600} {
		st, err := os.Stat(filepath.Join(home, name))
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	text, _ := os.ReadFile(filepath.Join(home, "etc/mailhaul/config.yaml"))
	if strings.Contains(string(text), "secret") || !strings.Contains(string(text), "limit: gmail") {
		t.Errorf("%s", text)
	}
}

// TestInitAddsOnlyWhereItIsSure: a file that goes on after its accounts is left
// alone, the account is shown, and where nobody looks that is a failure.
func TestInitAddsOnlyWhereItIsSure(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, "config.yaml")
	const account = "accounts:\n  a: {server: pop.example.org, user: a, password: {env: HOME}, deliver: [{maildir: a}]}\n"
	for text, added := range map[string]bool{account: true, account + "parallel: 2\n": false, account + "# the end": true,
		strings.ReplaceAll(account, "  a:", "      a:"): false} {
		for _, mode := range []string{"--yes", "--json", "--quiet"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			secret := filepath.Join(home, "secret")
			code, out := initAt(t, home, "-c", path, "--address", "b@web.de", mode, "--no-connect", "--password-file", secret)
			got, err := os.ReadFile(path)
			_, unkept := os.Stat(secret)
			if err != nil || (code == 0) != added || code != 0 && code != 73 || (unkept == nil) != added {
				t.Errorf("%s: exit %d, %v, secret: %v\n%s", mode, code, err, unkept, out)
			}
			if now := string(got) != text; now != added {
				t.Errorf("%s: %s: added %t\n%s", mode, text, now, out)
			}
			if !added && (!strings.Contains(out, "server: pop3.web.de") || !strings.Contains(out, "by hand") ||
				strings.Contains(out, `"account"`)) {
				t.Errorf("%s: the account is not shown, or a success is:\n%s", mode, out)
			}
			_ = os.Remove(secret)
		}
	}
}
