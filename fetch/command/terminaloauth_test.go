package command

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFirstHourWithOAuth: what the provider publishes names its authorisation
// server; a person without a desktop is asked which browser to use, logs in,
// and the mail comes.
func TestFirstHourWithOAuth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ option, choice, waits string }{
		{"", "1", "(or the code in it) here:\n>"},
		{"", "2", "for one elsewhere use --paste ..."},
		{"--paste", "", "(or the code in it) here:\n>"},
	} {
		t.Run(tt.option+tt.choice, func(t *testing.T) {
			term, browser := oauthHour(t, tt.option)
			if tt.choice != "" {
				wantAll(t, term.awaitChoice("There is no browser to start here."), "1) in a browser elsewhere",
					"2) in a browser of this machine")
				term.enter(tt.choice)
			}
			screen := term.await(tt.waits)
			address := regexp.MustCompile(`https://\S+`).FindString(screen[strings.LastIndex(screen, "Open this address"):])
			if ended := browse(t, browser, address); ended != "" {
				term.enter(ended)
			}
			wantAll(t, term.await("config.yaml? (y/n) [y]:"), "everything works", "provider: custom", "client_id: mailhaul")
			if tt.option != "" { // stopped after the login
				term.command("send-keys", "C-c")
				wantAll(t, term.await("\n$ "), "mailhaul: cancelled; nothing was written")
				wantNothing(t, term)
				return
			}
			term.enter("")
			term.await("--all\n$ ")
			term.clear()
			term.enter("mailhaul fetch")
			wantAll(t, term.until(func(s string) bool { return strings.Contains(s, "on the server in") }, "a summary"),
				"5 messages fetched")
			if n := countMaildir(filepath.Join(term.home, "Mail", "example")); n != 5 {
				t.Errorf("%d messages in the Maildir", n)
			}
			if strings.Contains(strings.ReplaceAll(term.seen.String(), "code-SECRET", ""), "SECRET") { // a code is pasted
				t.Error("a secret was shown")
			}
		})
	}
}

// oauthHour goes as far as the login.
func oauthHour(t *testing.T, option string) (*terminal, *http.Client) {
	t.Helper()
	p := newAuthServer(t)
	pop, o := p.bearerServer(t, pop3test.Options{CA: pop3test.NewCA()})
	provider := publishing(t, p, pop, o.CA)
	term := newTerminal(t, 200, 60)
	ca, err := o.CA.WriteRoot(term.home)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(term.home, "client")
	if err := os.WriteFile(secret, []byte(clientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	term.enter("mailhaul init " + option + " --ispdb " + provider.URL + " --ca-file " + ca)
	for _, step := range []struct{ shows, answer string }{
		{"Mail address:", "alice@example.org"}, {"Use this server? (y/n) [y]:", ""}, {"Name of the account [example]:", ""},
	} {
		term.await(step.shows)
		term.enter(step.answer)
	}
	term.awaitChoice("Where should the mail go?")
	term.enter("")
	wantAll(t, term.await("(docs/oauth.md explains how to get one):"), "takes no passwords")
	term.enter("mailhaul")
	term.await("(- for none) [-]:")
	term.enter(secret)
	return term, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: o.CA.CertPool()}}}
}

// publishing is the authorisation server with the settings of its mail server.
func publishing(t *testing.T, p *authServer, pop *pop3test.Server, ca *pop3test.CA) *httptest.Server {
	_, port, _ := net.SplitHostPort(pop.Addr())
	provider := httptest.NewUnstartedServer(nil)
	provider.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/example.org" {
			p.Config.Handler.ServeHTTP(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, `<clientConfig><emailProvider><incomingServer type="pop3"><hostname>localhost</hostname><port>%s</port>
		<socketType>SSL</socketType>
			<username>%%EMAILLOCALPART%%</username><authentication>OAuth2</authentication></incomingServer></emailProvider>
			<oAuth2><issuer>example.org</issuer><scope>mail</scope><authURL>%[2]s/auth</authURL><tokenURL>%[2]s/token</tokenURL></oAuth2>
			</clientConfig>`, port, provider.URL)
	})
	provider.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Leaf("127.0.0.1")}}
	provider.StartTLS()
	t.Cleanup(provider.Close)
	return provider
}

// TestInitLoginOptions: the way is passed on, and one only.
func TestInitLoginOptions(t *testing.T) {
	if code, out := initAt(t, t.TempDir(), "--device", "--paste"); code != 64 || !strings.Contains(out, "exclude each other") {
		t.Errorf("exit %d: %s", code, out)
	}
	p := newAuthServer(t)
	pop, o := p.bearerServer(t, pop3test.Options{CA: pop3test.NewCA()})
	provider := publishing(t, p, pop, o.CA)
	home := t.TempDir()
	ca, err := o.CA.WriteRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	code, out := initAt(t, home, "--device", "--address", "alice@example.org", "--client-id", "x", "--ispdb", provider.URL, "--ca-file", ca)
	if code != 78 || !strings.Contains(out, "the provider has no device flow for mail") {
		t.Errorf("exit %d: %s", code, out)
	}
}
