package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// terminal is a shell in a terminal of its own (tmux) with mailhaul in its path.
type terminal struct {
	t          *testing.T
	tmux, name string
	seen       strings.Builder
}

func newTerminal(t *testing.T, bin, home string) *terminal {
	t.Helper()
	term := &terminal{t: t, tmux: pop3test.Require(t, "tmux"), name: fmt.Sprintf("mailhaul-interop-%d", os.Getpid())}
	term.command("-f", "/dev/null", "new-session", "-d", "-c", home, "-x", "200", "-y", "70", "env", "-i",
		"HOME="+home, "PATH="+filepath.Dir(bin)+":/usr/bin:/bin", "TERM=screen", "LANG=C.UTF-8", "PS1=$ ", "HISTFILE=", "sh", "-i")
	t.Cleanup(func() { _ = exec.Command(term.tmux, "-L", term.name, "kill-server").Run() })
	term.await("$")
	return term
}

func (term *terminal) command(args ...string) string {
	term.t.Helper()
	out, err := exec.Command(term.tmux, append([]string{"-L", term.name}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// enter types a line.
func (term *terminal) enter(line string) {
	term.t.Helper()
	if line != "" {
		term.command("send-keys", "-l", line)
	}
	term.command("send-keys", "Enter")
}

// await waits until the screen ends with a text and returns it.
func (term *terminal) await(end string) string {
	term.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		screen := strings.TrimRight(term.command("capture-pane", "-p", "-J"), " \n")
		if strings.HasSuffix(screen, end) {
			term.seen.WriteString(screen)
			return screen
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("the screen never ends with %q:\n%s", end, screen)
		}
	}
}

// TestFirstHour: init finds the mail server and the OpenID provider of an
// address by what the provider publishes, a person logs in there with a browser
// on another machine, Dovecot takes the token, and the mail is in the Maildir.
func TestFirstHour(t *testing.T) {
	bin, ca, home := buildProgram(t), pop3test.NewCA(), t.TempDir()
	var d *pop3test.Dovecot
	p := newProvider(t, ca, func(p *provider) string {
		return fmt.Sprintf(`<clientConfig><emailProvider><incomingServer type="pop3"><hostname>localhost</hostname><port>%d</port>
		<socketType>SSL</socketType>
			<username>%%EMAILLOCALPART%%</username><authentication>OAuth2</authentication></incomingServer></emailProvider>
			<oAuth2><issuer>%[2]s</issuer><scope>openid offline_access https://mail.example/pop</scope><authURL>%[2]sauth</authURL>
			<tokenURL>%[2]soauth/token</tokenURL></oAuth2></clientConfig>`, d.TLSPort, p.url)
	})
	d = pop3test.StartDovecot(t, pop3test.DovecotOptions{CA: ca, Users: map[string]string{user: "unused"},
		Mechanisms: []string{"xoauth2", "oauthbearer"}, TokenKeys: p.keys(t)})
	mail := pop3test.Corpus(1, 7)
	d.AddMessages(user, mail)
	root, err := ca.WriteRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, bin, home)
	term.enter("mailhaul init --ispdb " + p.url + " --ca-file " + root)
	for _, step := range []struct{ shows, answer string }{
		{"Mail address:", user + "@" + domain},
		{"Use this server? (y/n) [y]:", ""},
		{"Name of the account [example]:", ""},
		{"Number [1]:", ""}, // where the mail goes
		{"(docs/oauth.md explains how to get one):", native},
		{"(- for none) [-]:", ""},
		{"Number [1]:", "1"}, // a browser elsewhere
	} {
		term.await(step.shows)
		term.enter(step.answer)
	}
	someone := &person{t: t, p: p}
	someone.browse(regexp.MustCompile(`https://localhost:\d+/auth\S+`).FindString(term.await("here:\n>")))
	term.enter(someone.ended)
	if screen := term.await("config.yaml? (y/n) [y]:"); !strings.Contains(screen, "everything works") ||
		!strings.Contains(screen, "fetch 7 ") {
		t.Errorf("before it is written:\n%s", screen)
	}
	term.enter("")
	term.await("--all\n$")
	term.enter("clear; mailhaul fetch; mailhaul verify; echo do''ne")
	if screen := term.await("done\n$"); !strings.Contains(screen, "example: 7 messages fetched") ||
		!strings.Contains(screen, "7 verified") {
		t.Errorf("after the fetch:\n%s", screen)
	}
	wantMaildir(t, filepath.Join(home, "Mail", "example"), mail)
	if tokens, _ := filepath.Glob(filepath.Join(home, ".local/state/mailhaul/tokens/*.json")); len(tokens) != 1 {
		t.Errorf("tokens kept: %q", tokens)
	}
}
