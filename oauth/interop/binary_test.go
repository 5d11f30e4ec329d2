package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// buildProgram makes the program as a user has it. Its modules are not those of
// this module, so it is made in its own directory.
func buildProgram(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mailhaul")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// home is a person's configuration, state and mail.
type home struct {
	t        *testing.T
	bin, dir string
	p        *provider
	mu       sync.Mutex
	said     strings.Builder // all that was printed
}

func newHome(t *testing.T, bin string, p *provider, d *pop3test.Dovecot, auth, oauth string) *home {
	t.Helper()
	h := &home{t: t, bin: bin, dir: t.TempDir(), p: p}
	h.write("ca.pem", string(d.CA.RootPEM()))
	h.write("secret", machineSecret)
	h.write("config.yaml", fmt.Sprintf(`accounts:
  work:
    server: localhost:%d
    ca_file: %s
    user: %s
    auth: %s
    oauth:
      provider: custom
      auth_url: %[5]sauth
      token_url: %[5]soauth/token
      device_url: %[5]sdevice_authorization
      revoke_url: %[5]srevoke
%[6]s
    deliver:
      - maildir: %[7]s
`, d.TLSPort, h.path("ca.pem"), user, auth, p.url, oauth, h.path("Maildir")))
	return h
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// command is the program with -vv. Each line of stdout goes to seen, with the
// writer of its stdin.
func (h *home) command(seen func(line string, stdin *os.File), args ...string) (code int, out, stderr string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.bin, append([]string{"-vv", "-c", h.path("config.yaml"), "--state", h.path("state")}, args...)...)
	in, answer, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Close()
	defer in.Close()
	var errText bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &errText
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if seen != nil {
			seen(strings.TrimSpace(lines.Text()), answer)
		}
	}
	_ = cmd.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if args[0] != "token" {
		h.said.WriteString(text.String())
	}
	h.said.WriteString(errText.String())
	return cmd.ProcessState.ExitCode(), text.String(), errText.String()
}

// want runs a command and checks its exit code and that it prints the texts.
func (h *home) want(code int, args []string, texts ...string) {
	h.t.Helper()
	h.wantLine(nil, code, args, texts...)
}

func (h *home) wantLine(seen func(string, *os.File), code int, args []string, texts ...string) {
	h.t.Helper()
	got, out, stderr := h.command(seen, args...)
	if got != code {
		h.t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, out, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(out+stderr, text) {
			h.t.Errorf("%v lacks %q:\n%s%s", args, text, out, stderr)
		}
	}
}

// login plays the person: with a browser, here or elsewhere, or a code.
func (h *home) login(flags ...string) {
	h.t.Helper()
	h.loginTo("work", flags...)
}

func (h *home) loginTo(name string, flags ...string) {
	h.t.Helper()
	someone := &person{t: h.t, p: h.p}
	code := false
	h.wantLine(func(line string, stdin *os.File) {
		switch {
		case strings.HasPrefix(line, h.p.url):
			someone.browse(line)
			if someone.ended != "" && len(flags) > 0 && flags[0] == "--paste" {
				fmt.Fprintln(stdin, someone.ended)
			}
		case strings.Contains(line, "enter the code"):
			code = true
		case code && line != "":
			code = false
			if err := h.p.store.CompleteDeviceAuthorization(h.t.Context(), line, user); err != nil {
				h.t.Error(err)
			}
		}
	}, 0, append([]string{"login", name}, flags...), name+": ")
}

// wantMail checks that each message is in the Maildir once.
func (h *home) wantMail(messages [][]byte) {
	h.t.Helper()
	wantMaildir(h.t, h.path("Maildir"), messages)
}

func wantMaildir(t *testing.T, dir string, messages [][]byte) {
	t.Helper()
	want, got := map[[32]byte]int{}, map[[32]byte]int{}
	for _, m := range messages {
		want[pop3test.Sum(m)]++
	}
	names, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		got[sha256.Sum256(b)]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d messages delivered, want %d", len(got), len(want))
	}
}

// kept are the tokens in the state.
func (h *home) kept() (access, refresh string) {
	h.t.Helper()
	return h.keptBy("work")
}

func (h *home) keptBy(key string) (access, refresh string) {
	h.t.Helper()
	data, err := os.ReadFile(h.path("state/tokens/" + key + ".json"))
	if err != nil {
		h.t.Fatal(err)
	}
	var v struct {
		Tokens struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
	}
	if err := json.Unmarshal(data, &v); err != nil || v.Tokens.Access == "" {
		h.t.Fatalf("%v, access token %v", err, v.Tokens.Access != "")
	}
	return v.Tokens.Access, v.Tokens.Refresh
}

const person1 = `      client_id: mailhaul
      scopes: [openid, offline_access, "https://mail.example/pop"]`

// TestProgram takes the program from login to logout, by each flow, with a
// token that expires between two runs.
func TestProgram(t *testing.T) {
	bin := buildProgram(t)
	for _, tt := range []struct {
		name, auth, mechanism, oauth string
		flags                        []string
	}{
		{"browser", "auto", "OAUTHBEARER", person1, []string{"--no-browser"}},
		{"paste", "xoauth2", "XOAUTH2", person1, []string{"--paste"}},
		{"device", "oauthbearer", "OAUTHBEARER", person1 + "\n      flow: device", nil},
		{"client credentials", "xoauth2", "XOAUTH2", "      client_id: " + machine + "\n      client_secret: {file: SECRETFILE}\n" +
			"      flow: client_credentials\n      scopes: openid", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t)
			d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{user: "unused"},
				Mechanisms: []string{"xoauth2", "oauthbearer"}, TokenKeys: p.keys(t)})
			mail := [][]byte{[]byte("Subject: one\r\n\r\n1\r\n"), []byte("Subject: two\r\n\r\n.2\r\n"),
				[]byte("Subject: three\r\n\r\n3\r\n")}
			d.AddMessages(user, mail[:2])
			h := newHome(t, bin, p, d, tt.auth, tt.oauth)
			config, _ := os.ReadFile(h.path("config.yaml"))
			h.write("config.yaml", strings.ReplaceAll(string(config), "SECRETFILE", h.path("secret")))

			machineOnly := tt.name == "client credentials"
			if !machineOnly {
				h.want(77, []string{"fetch"}, "hint: Run `mailhaul login work`.")
			}
			p.store.live(2 * time.Second)
			h.login(tt.flags...)
			first, refresh := h.kept()
			secrets := []string{first, refresh}
			p.store.live(time.Hour)
			waitExpired(t, first)
			h.want(0, []string{"fetch"}, "AUTH "+tt.mechanism, "2 messages fetched")
			h.wantMail(mail[:2])
			second, rotated := h.kept()
			secrets = append(secrets, second, rotated)
			if second == first || !machineOnly && rotated == refresh {
				t.Error("the expired token was not replaced")
			}
			d.AddMessages(user, mail[2:])
			h.want(0, []string{"fetch"}, "1 message fetched")
			h.wantMail(mail)
			if third, _ := h.kept(); third != second {
				t.Error("a token that is good was replaced")
			}
			h.want(0, []string{"status"}, "work: token valid until")
			h.want(0, []string{"check", "--connect"}, "everything works")
			h.endings(machineOnly, refresh != "")
			for _, s := range append(secrets, machineSecret) {
				if s != "" && strings.Contains(h.said.String(), s) {
					t.Error("a secret was printed")
				}
			}
		})
	}
}

// endings: the login is withdrawn at the provider, made anew, and ended here.
func (h *home) endings(machineOnly, refreshed bool) {
	h.t.Helper()
	if !machineOnly && refreshed {
		if err := h.p.store.TerminateSession(h.t.Context(), user, native); err != nil {
			h.t.Fatal(err)
		}
		h.expire()
		h.want(77, []string{"fetch"}, "invalid_grant", "(needs login again)", "hint: Run `mailhaul login work`.")
		h.want(0, []string{"status"}, "work: needs `mailhaul login work`")
		h.login("--no-browser")
		h.want(0, []string{"fetch"}, "nothing new")
	}
	if machineOnly { // the example's provider revokes for persons only
		h.want(77, []string{"logout", "work"}, "hint: The tokens are removed here")
		h.want(0, []string{"logout", "work"}, "work: was not logged in")
		return
	}
	_, refresh := h.kept()
	h.want(0, []string{"logout", "work"}, "work: logged out, and revoked at the provider")
	if _, _, err := h.p.store.GetRefreshTokenInfo(h.t.Context(), native, refresh); err == nil {
		h.t.Error("the provider still takes the refresh token")
	}
	h.want(0, []string{"logout", "work"}, "work: was not logged in")
	h.want(77, []string{"fetch"}, "hint: Run `mailhaul login work`.")
}

// expire makes the stored access token one that has ended, as time does.
func (h *home) expire() {
	h.t.Helper()
	h.setExpiry("work", -2*time.Hour, -time.Hour)
}

// setExpiry makes the stored access token one of these times from now.
func (h *home) setExpiry(key string, issued, expiry time.Duration) {
	h.t.Helper()
	path := h.path("state/tokens/" + key + ".json")
	data, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		h.t.Fatal(err)
	}
	v["issued"], v["expiry"] = time.Now().Add(issued), time.Now().Add(expiry)
	if data, err = json.Marshal(v); err != nil {
		h.t.Fatal(err)
	}
	h.write("state/tokens/"+key+".json", string(data))
}

// waitExpired waits until Dovecot would refuse the token: the end is in it, in
// whole seconds.
func waitExpired(t *testing.T, jwt string) {
	t.Helper()
	end, ok := expiryOf(jwt)
	if !ok {
		t.Fatal("not a JWT")
	}
	<-time.After(time.Until(end) + time.Second)
}
