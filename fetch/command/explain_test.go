package command

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// meeting is a failure as people meet it, made for real on this machine. Row
// is the row of failures() that explains it; a hint of the error itself begins
// with "hint:".
type meeting struct {
	name   string
	row    string
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
		{name: "Gmail wants an app password", row: "app password", server: refusal("[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833"), step: "login", exit: 77},
		{name: "two factors", row: "multi-factor", server: refusal("[AUTH] 2-step verification is on for this account"), step: "login", exit: 77},
		{name: "Gmail wants a web login", row: "web login required", server: refusal("[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754"), step: "login", exit: 77},
		{name: "Gmail has POP off", row: "pop disabled", server: refusal("[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable your account for POP access."), step: "login", exit: 77},
		{name: "no passwords any more", row: "basic authentication off", server: refusal("Logon failure: basic authentication is disabled."), step: "login", exit: 77},
		{name: "too many logins", row: "too many logins", server: refusal("[LOGIN-DELAY] too many logins, try again later"), step: "login", exit: 75},
		{name: "mailbox full", row: "mailbox full", server: refusal("Disk quota exceeded"), step: "login", exit: 77},
		{name: "account locked", row: "account closed", server: refusal("Account locked by administrator"), step: "login", exit: 77},
		{name: "wrong password", row: "wrong password", config: "    password: {file: ${WRONG}}\n", ground: wrongPassword, step: "login", exit: 77},
		{name: "maildrop in use", row: "maildrop in use", ground: holdMaildrop, step: "login", exit: 75},
		{name: "bearer token refused", row: "bearer token refused", server: pop3test.Options{Mechanisms: []string{"XOAUTH2"}, Token: func(string, string) bool { return false }},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: wrongPassword, step: "login", exit: 77},
		{name: "token too long", row: "token too long", server: pop3test.Options{TwoStepAuth: true, Mechanisms: []string{"XOAUTH2"}, Token: func(string, string) bool { return false }},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: longToken, step: "login", exit: 77},
		{name: "token for another mailbox", row: "token for another mailbox", server: pop3test.Options{TwoStepAuth: true, NoPipelining: true, Mechanisms: []string{"XOAUTH2"},
			Token: func(string, string) bool { return true }, Faults: []pop3test.Fault{{On: "STAT", Always: true, Do: pop3test.Err("Command is not valid in this state.")}}},
			config: "    auth: xoauth2\n    token: {file: ${WRONG}}\n", ground: wrongPassword, step: "list", exit: 77},
		{name: "no such name", row: "name unknown", config: "    server: no-such-host.invalid\n", step: "dns", exit: 69},
		{name: "nothing listens", row: "wrong port", config: "    server: localhost:${CLOSED}\n", ground: noListener, step: "tcp", exit: 69},
		{name: "packets are dropped", row: "firewall", config: "    server: 127.0.0.1:${DEAF}\n    timeouts: {connect: 1s}\n", ground: deafPort, step: "tcp", exit: 69},
		{name: "no way to the network", row: "network down", config: "    server: 224.0.0.1\n", ground: onLinux, step: "tcp", exit: 69},
		{name: "clock wrong", row: "clock wrong", server: cert(ca.NotYetValid("localhost")), step: "tls", exit: 77},
		{name: "certificate of a proxy", row: "proxy certificate", server: cert(ca.Issue(pop3test.Leaf{Names: []string{"localhost"}, CommonName: "Zscaler Intermediate Root CA", SelfSigned: true})), step: "tls", exit: 77},
		{name: "certificate of a private authority", row: "hint:if this is the right server, trust its authority with ca_file", config: "    ca_file: ${OTHER}\n", ground: otherCA, step: "tls", exit: 77},
		{name: "certificate expired", row: "hint:is this machine's clock right?", server: cert(ca.Expired("localhost")), step: "tls", exit: 77},
		{name: "certificate of another host", row: "hint:use one of those names", server: cert(ca.WrongHost()), step: "tls", exit: 77},
		{name: "plain server, TLS client", row: "plain server on TLS port", server: pop3test.Options{Security: pop3test.Plain}, step: "tls", exit: 69},
		{name: "TLS server, plain client", row: "TLS server on plain port", config: "    tls: stls\n    timeouts: {connect: 1s}\n", step: "greeting", exit: 69},
		{name: "no STLS", row: "hint:use TLS from the start on port 995", server: pop3test.Options{Security: pop3test.Plain}, config: "    tls: stls\n", step: "stls", exit: 69},
		{name: "TLS 1.0 only", row: "old TLS", server: pop3test.Options{TLS: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }}, step: "tls", exit: 69},
		{name: "wants a client certificate", row: "hint:the server wants a certificate from us", server: pop3test.Options{ClientAuth: tls.RequireAndVerifyClientCert}, step: "greeting", exit: 77},
		{name: "blocked address", row: "hung up", server: pop3test.Options{Faults: []pop3test.Fault{{On: "greeting", Do: pop3test.Cut(), Always: true}}}, step: "greeting", exit: 69},
		{name: "an IMAP server", row: "hint:this looks like an IMAP server", server: pop3test.Options{Faults: []pop3test.Fault{{On: "greeting", Do: pop3test.Raw("* OK IMAP4rev1 ready\r\n"), Always: true}}}, step: "greeting", exit: 76},
		{name: "relay down", row: "relay down", config: "    deliver: [{smtp: {server: \"127.0.0.1:${CLOSED}\", to: [a@localhost], tls: none}}]\n", ground: noListener, step: "target", exit: 75},
		{name: "Maildir is a file", row: "not a directory", config: "    deliver: [{maildir: \"${FILE}/Mail\"}]\n", ground: plainFile, step: "target", exit: 73},
		{name: "Maildir not writable", row: "not writable", config: "    deliver: [{maildir: /sys/mailhaul-test}]\n", ground: onLinux, step: "target", exit: 73},
		{name: "disk full", row: "disk full", config: "    deliver: [{maildir: \"${DISK}/Mail\"}]\n", ground: fullDisk, step: "target", exit: 74},
		{name: "read-only", row: "read-only", config: "    deliver: [{maildir: \"${DISK}/Mail\"}]\n", ground: readOnlyDisk, step: "target", exit: 73},
	}
}

// denials are meetings that need a process of its own.
func denials() []meeting {
	row := "not writable"
	if os.Geteuid() == 0 { // whom no file mode refuses
		row = "access denied by policy"
	}
	return []meeting{{name: "denied by a security module", row: row, step: "target", exit: 73, denied: true}}
}

func TestExplanations(t *testing.T) {
	met := make(map[string]bool)
	for _, m := range append(meetings(), denials()...) {
		met[m.row] = true
		t.Run(m.name, m.run)
	}
	// These are not met here: TestExplainFileErrors and target-gone.txtar have them.
	met["no locks"], met["too many open files"], met["target gone"] = true, true, true
	for _, f := range failures() {
		if !met[f.name] && (os.Geteuid() == 0 || f.name != "access denied by policy") {
			t.Errorf("nothing here meets %q", f.name)
		}
	}
}

func TestExplainFileErrors(t *testing.T) {
	for cause, want := range map[error]string{syscall.ENOLCK: "rpc.statd", syscall.EMFILE: "ulimit -n", syscall.ENFILE: "lower parallel"} {
		a := &config.Account{Name: "work"}
		target := &deliver.Error{Class: deliver.IOError, Err: &fs.PathError{Op: "lock", Path: "/var/mail/al", Err: cause}}
		if got := explain(a, target); !strings.Contains(got, want) {
			t.Errorf("%v of a target: %q", cause, got)
		}
		if got := explain(a, &fetch.StateError{Path: "/s/a.db", Err: cause}); got == "" || strings.Contains(got, "dmesg") {
			t.Errorf("%v of the state: %q", cause, got)
		}
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
		t.Errorf("%s\nis explained as\n%s\nand not by %q", got.Detail, got.Advice, m.row)
	}
}

// explains reports whether advice is that of the row.
func (m *meeting) explains(advice string) bool {
	if hint, ok := strings.CutPrefix(m.row, "hint:"); ok {
		return strings.HasPrefix(advice, hint)
	}
	i := slices.IndexFunc(failures(), func(f failure) bool { return f.name == m.row })
	if i < 0 {
		return false
	}
	want := strings.ReplaceAll(failures()[i].advice, "ACCOUNT", "work")
	return advice == want || advice == asHint(want)
}

// yaml is a configuration whose account works, with what the meeting changes.
func (m *meeting) yaml(s *pop3test.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr())
	lines := "accounts:\n  work:\n    user: alice\n" + m.config
	for _, l := range []string{"server: localhost:" + port, "ca_file: ${CA}", `deliver: [{maildir: "${DIR}/Mail"}]`} {
		if key, _, _ := strings.Cut(l, ":"); !strings.Contains(m.config, key+":") || key == "server" && !strings.Contains(m.config, "    server:") {
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
	var out, log bytes.Buffer
	dir := t.TempDir()
	s := pop3test.NewServer(&pop3test.Maildrop{}, pop3test.Options{Security: pop3test.STLS})
	defer s.Close()
	ca, err := s.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	conf := fmt.Sprintf("accounts:\n  work: {server: 'localhost:%s', tls: stls, ca_file: %s, user: alice, password: secret, deliver: [{maildir: %s/Mail}]}\n", port, ca, dir)
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
	want := "state target dns tcp greeting capa stls capa tls chain offered login capa stat list quit uidl"
	if got := strings.Join(steps, " "); got != want {
		t.Errorf("steps %s, want %s:\n%s", got, want, &out)
	}
	if last := lines[len(lines)-1]; last != "work: everything works" {
		t.Error(last)
	}
}
