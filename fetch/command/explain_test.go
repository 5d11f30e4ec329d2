package command

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// meeting is a failure as people meet it, made for real on this machine. Says is
// how the advice about it begins.
type meeting struct {
	name   string
	says   string
	server pop3test.Options
	// config is what the account says besides; ${...} as in ground.
	config string
	// ground prepares what the configuration names; it may skip.
	ground func(t *testing.T, vars map[string]string)
	step   string
	exit   int
	// denied: a security module forbids what the file modes allow.
	denied bool
}

func refusal(text string) pop3test.Options {
	return pop3test.Options{Password: "other", LoginError: text}
}

// meetings: what the servers say here is what providers are known to say.
func meetings() []meeting {
	ca := pop3test.NewCA()
	cert := func(c tls.Certificate) pop3test.Options { return pop3test.Options{CA: ca, Certificate: &c} }
	return []meeting{
		{name: "Gmail wants an app password", says: "The provider wants an app password",
			server: refusal("[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833"),
			step:   "login", exit: 77},
		{name: "two factors", says: "The account has two-factor login",
			server: refusal("[AUTH] 2-step verification is on for this account"), step: "login", exit: 77},
		{name: "Gmail wants a web login", says: "The provider blocked the login",
			server: refusal("[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754"),
			step:   "login", exit: 77},
		{name: "Gmail has POP off", says: "POP3 is switched off",
			server: refusal("[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable " +
				"your account for POP access."), step: "login", exit: 77},
		{name: "no passwords any more", says: "The provider no longer takes passwords",
			server: refusal("Logon failure: basic authentication is disabled."), step: "login", exit: 77},
		{name: "too many logins", says: "The provider limits how often",
			server: refusal("[LOGIN-DELAY] too many logins, try again later"), step: "login", exit: 75},
		{name: "mailbox full", says: "The mailbox is full", server: refusal("Disk quota exceeded"), step: "login", exit: 77},
		{name: "account locked", says: "The provider does not let this account in",
			server: refusal("Account locked by administrator"), step: "login", exit: 77},
		{name: "wrong password", says: "User name or password is wrong", config: "    password: {file: ${WRONG}}\n",
			ground: wrongPassword, step: "login", exit: 77},
		{name: "maildrop in use", says: "Another program holds the mailbox", ground: holdMaildrop, step: "login", exit: 75},
		{name: "bearer token refused", says: "The access token was refused. Log in anew (mailhaul login work)",
			server: pop3test.Options{Mechanisms: []string{"XOAUTH2"}, Token: func(string, string) bool { return false }},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: wrongPassword, step: "login", exit: 77},
		{name: "token too long", says: "The access token is longer",
			server: pop3test.Options{TwoStepAuth: true, Mechanisms: []string{"XOAUTH2"}, Token: func(string, string) bool { return false }},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: longToken, step: "login", exit: 77},
		{name: "token for another mailbox", says: "The token is good, but not for this mailbox",
			server: pop3test.Options{TwoStepAuth: true, NoPipelining: true, Mechanisms: []string{"XOAUTH2"},
				Token:  func(string, string) bool { return true },
				Faults: []pop3test.Fault{{On: "STAT", Always: true, Do: pop3test.Err("Command is not valid in this state.")}}},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: wrongPassword, step: "list", exit: 77},
		{name: "no such name", says: "The server's name does not exist", config: "    server: no-such-host.invalid\n",
			step: "dns", exit: 69},
		{name: "nothing listens", says: "The machine answers, but nothing listens", config: "    server: localhost:${CLOSED}\n",
			ground: noListener, step: "tcp", exit: 69},
		{name: "packets are dropped", says: "No answer at all",
			config: "    server: 127.0.0.1:${DEAF}\n    timeouts: {connect: 1s}\n", ground: deafPort, step: "tcp", exit: 69},
		{name: "no way to the network", says: "There is no way to that network", config: "    server: 224.0.0.1\n", ground: onLinux,
			step: "tcp", exit: 69},
		{name: "clock wrong", says: "The certificate is from the future", server: cert(ca.NotYetValid("localhost")), step: "tls", exit: 77},
		{name: "certificate of a proxy", says: "The certificate was made by a firewall",
			server: cert(ca.Issue(pop3test.Leaf{Names: []string{"localhost"}, CommonName: "Zscaler Intermediate Root CA",
				SelfSigned: true})), step: "tls", exit: 77},
		{name: "certificate of a private authority", says: "If this is the right server, trust its authority with ca_file",
			config: "    ca_file: ${OTHER}\n", ground: otherCA, step: "tls", exit: 77},
		{name: "certificate expired", says: "Is this machine's clock right?", server: cert(ca.Expired("localhost")), step: "tls", exit: 77},
		{name: "certificate of another host", says: "Use one of those names", server: cert(ca.WrongHost()), step: "tls", exit: 77},
		{name: "plain server, TLS client", says: "The server does not speak TLS on this port",
			server: pop3test.Options{Security: pop3test.Plain}, step: "tls", exit: 69},
		{name: "TLS server, plain client", says: "The server says nothing, as one does",
			config: "    tls: stls\n    timeouts: {connect: 1s}\n", step: "greeting", exit: 69},
		{name: "no STLS", says: "Use TLS from the start on port 995", server: pop3test.Options{Security: pop3test.Plain},
			config: "    tls: stls\n", step: "stls", exit: 69},
		{name: "TLS 1.0 only", says: "Server and client have no version",
			server: pop3test.Options{TLS: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }},
			step:   "tls", exit: 69},
		{name: "wants a client certificate", says: "The server wants a certificate from us",
			server: pop3test.Options{ClientAuth: tls.RequireAndVerifyClientCert}, step: "greeting", exit: 77},
		{name: "blocked address", says: "The server hangs up before",
			server: pop3test.Options{Faults: []pop3test.Fault{{On: "greeting", Do: pop3test.Cut(), Always: true}}},
			step:   "greeting", exit: 69},
		{name: "an IMAP server", says: "This looks like an IMAP server",
			server: pop3test.Options{Faults: []pop3test.Fault{{On: "greeting", Do: pop3test.Raw("* OK IMAP4rev1 ready\r\n"),
				Always: true}}}, step: "greeting", exit: 76},
		{name: "relay down", says: "The mail server that is the target",
			config: "    deliver: [{smtp: {server: \"127.0.0.1:${CLOSED}\", to: [a@localhost], tls: none}}]\n", ground: noListener,
			step: "target", exit: 75},
		{name: "Maildir is a file", says: "A part of that path is a file, not a directory",
			config: "    deliver: [{maildir: \"${FILE}/Mail\"}]\n", ground: plainFile, step: "target", exit: 73},
		{name: "Maildir not writable", says: "This user may not write there",
			config: "    deliver: [{maildir: /sys/mailhaul-test}]\n", ground: onLinux, step: "target", exit: 73},
		{name: "disk full", says: "The disk is full, or the quota", config: "    deliver: [{maildir: \"${DISK}/Mail\"}]\n",
			ground: fullDisk, step: "target", exit: 74},
		{name: "read-only", says: "The file system is mounted read-only", config: "    deliver: [{maildir: \"${DISK}/Mail\"}]\n",
			ground: readOnlyDisk, step: "target", exit: 73},
	}
}

// denials are meetings that need a process of its own.
func denials() []meeting {
	says := "This user may not write there"
	if os.Geteuid() == 0 { // whom no file mode refuses
		says = "The file system refuses even root"
	}
	return []meeting{{name: "denied by a security module", says: says, step: "target", exit: 73, denied: true}}
}

func TestExplanations(t *testing.T) {
	t.Parallel()
	for _, m := range append(meetings(), denials()...) {
		t.Run(m.name, m.run)
	}
}

func (m *meeting) run(t *testing.T) {
	drop := &pop3test.Maildrop{Exclusive: true}
	drop.Add("uid-1", []byte("Subject: x\r\n\r\nbody\r\n"))
	s := pop3test.NewServer(drop, m.server)
	defer s.Close()
	dir := t.TempDir()
	vars := map[string]string{"ADDR": s.Addr(), "DIR": dir}
	ca, err := s.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	vars["CA"] = ca
	if m.ground != nil {
		m.ground(t, vars)
	}
	check := checkSteps
	if m.denied {
		check = deniedSteps
	}
	steps, code := check(t, dir, os.Expand(m.yaml(s), func(k string) string { return vars[k] }))
	i := slices.IndexFunc(steps, func(st jsonline.Step) bool { return st.Mark == jsonline.Fail })
	if i < 0 {
		t.Fatalf("nothing failed: %+v", steps)
	}
	got := steps[i]
	if got.Step != m.step || code != m.exit {
		t.Errorf("step %s, exit %d; want %s, %d (%s)", got.Step, code, m.step, m.exit, got.Detail)
	}
	if !m.explains(got.Advice) {
		t.Errorf("%s\nis explained as\n%s\nand not by %q", got.Detail, got.Advice, m.says)
	}
}

// explains reports whether text is the advice.
func (m *meeting) explains(text string) bool { return strings.HasPrefix(text, m.says) }

// yaml is a configuration whose account works, with what the meeting changes.
func (m *meeting) yaml(s *pop3test.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr())
	lines := "accounts:\n  work:\n    user: alice\n" + m.config
	for _, l := range []string{"server: localhost:" + port, "ca_file: ${CA}", `deliver: [{maildir: "${DIR}/Mail"}]`} {
		if key, _, _ := strings.Cut(l, ":"); !strings.Contains(m.config, key+":") || key == "server" &&
			!strings.Contains(m.config, "    server:") {
			lines += "    " + l + "\n"
		}
	}
	if !strings.Contains(m.config, "password:") && !strings.Contains(m.config, "token:") {
		lines += "    password: secret\n"
	}
	return lines
}

// checkSteps runs check --connect on a configuration.
func checkSteps(t *testing.T, dir, yaml string) ([]jsonline.Step, int) {
	t.Helper()
	var out, log bytes.Buffer
	code := Main(t.Context(), checkLine(t, dir, yaml), term.Streams{Out: &out, Err: &log})
	return readSteps(t, &out, &log), code
}

// deniedSteps does it in a process that may make no directory.
func deniedSteps(t *testing.T, dir, yaml string) ([]jsonline.Step, int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	cmd := &exec.Cmd{Path: self, Args: checkLine(t, dir, yaml), Stdout: &out, Stderr: &log}
	if err := confined(t, cmd); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return readSteps(t, &out, &log), cmd.ProcessState.ExitCode()
}

func checkLine(t *testing.T, dir, yaml string) []string {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"mailhaul", "-c", path, "--state", filepath.Join(dir, "state"), "--json", "check", "--connect"}
}

func readSteps(t *testing.T, out io.Reader, log *bytes.Buffer) (steps []jsonline.Step) {
	t.Helper()
	for dec := json.NewDecoder(out); ; {
		var s jsonline.Step
		switch err := dec.Decode(&s); err {
		case nil:
			steps = append(steps, s)
			continue
		case io.EOF:
			if len(steps) == 0 {
				t.Fatalf("no steps: %s", log)
			}
			return steps
		default:
			t.Fatal(err)
		}
	}
}

func wrongPassword(t *testing.T, vars map[string]string) {
	vars["WRONG"] = filepath.Join(vars["DIR"], "wrong")
	if err := os.WriteFile(vars["WRONG"], []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func longToken(t *testing.T, vars map[string]string) {
	wrongPassword(t, vars)
	if err := os.WriteFile(vars["WRONG"], []byte(strings.Repeat("x", 4097)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func otherCA(t *testing.T, vars map[string]string) {
	dir := t.TempDir()
	path, err := pop3test.NewCA().WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	vars["OTHER"] = path
}

func plainFile(t *testing.T, vars map[string]string) {
	wrongPassword(t, vars)
	vars["FILE"] = vars["WRONG"]
}

func noListener(t *testing.T, vars map[string]string) {
	_, vars["CLOSED"], _ = net.SplitHostPort(closedPort(t))
}

// holdMaildrop logs in beside the test and stays.
func holdMaildrop(t *testing.T, vars map[string]string) {
	conn, err := tls.Dial("tcp", vars["ADDR"], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	in := bufio.NewReader(conn)
	for _, line := range []string{"", "USER alice\r\n", "PASS secret\r\n"} {
		_, _ = io.WriteString(conn, line)
		if reply, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(reply, "+OK") {
			t.Fatal(reply, err)
		}
	}
}

// TestGoodWalk is what a person sees if everything works.
func TestGoodWalk(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	dir := t.TempDir()
	s := pop3test.NewServer(&pop3test.Maildrop{}, pop3test.Options{Security: pop3test.STLS})
	defer s.Close()
	ca, err := s.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	conf := fmt.Sprintf("accounts:\n  work: {server: 'localhost:%s', tls: stls, ca_file: %s, user: alice, password: secret, deliver: "+
		"[{maildir: %s/Mail}]}\n", port, ca, dir)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	code := Main(t.Context(), []string{"mailhaul", "-c", path, "--state", dir, "check", "--connect"}, term.Streams{Out: &out, Err: &log})
	if code != 0 || log.Len() > 0 {
		t.Fatalf("exit %d: %s%s", code, &out, &log)
	}
	var steps []string
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines[1 : len(lines)-1] {
		if f := strings.Fields(line); f[0] == "ok" || f[0] == "warn" {
			steps = append(steps, f[1])
		}
	}
	want := "state target dns tcp greeting capa stls tls chain capa offered login capa stat list quit uidl"
	if got := strings.Join(steps, " "); got != want {
		t.Errorf("steps %s, want %s:\n%s", got, want, &out)
	}
	if last := lines[len(lines)-1]; last != "work: everything works" {
		t.Error(last)
	}
}
