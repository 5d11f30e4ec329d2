//go:build unix

package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// TestMailboxRefused: each fault of the target's side ends with its status, says which
// of the two servers is meant, and delivers and deletes nothing.
func TestMailboxRefused(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections that nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	good := "user: alice, password: " + realtest.Password
	secure := good + ", server: " + to.TLSAddr + ", ca_file: " + to.CA
	for name, c := range map[string]struct {
		keys string
		code int
		step string // that check --connect names
		says []string
	}{
		"wrong password": {"user: alice, password: wrong, server: " + to.TLSAddr + ", ca_file: " + to.CA, 77, "login",
			[]string{"refused user or password"}},
		"unknown authority": {good + ", server: " + to.TLSAddr, 77, "tls", []string{"ca_file of the target"}},
		"wrong name":        {secure + ", server_name: mail.example.org", 77, "tls", []string{"server_name of the target"}},
		"other pin": {good + ", server: " + to.TLSAddr + ", pin: sha256/" + strings.Repeat("A", 43) + "=", 77, "tls",
			[]string{"pin of the target"}},
		"no TLS there": {good + ", server: " + to.Addr, 75, "tls", []string{"STARTTLS on port 143"}},
		"nobody there": {good + ", server: " + closedAddr(t), 75, "tcp", []string{"nothing listens on that port"}},
		"silent": {good + ", server: " + silent.Addr().String() + ", tls: none, timeout: 1s", 75, "greeting",
			[]string{"says nothing"}},
		"no right": {good + ", tls: none, server: " + between(t, to.Addr, func(line string) string {
			if strings.Contains(line, "SELECT") || strings.Contains(line, "STATUS") {
				return "NO [NOPERM] not yours"
			}
			return ""
		}), 73, "mailbox", []string{"has no right to this mailbox"}},
		"no such name": {good + ", server: nowhere.invalid", 75, "dns", []string{"name does not exist"}},
		"no STARTTLS": {good + ", server: " + greeter(t, "* OK hello") + ", tls: starttls", 75, "starttls",
			[]string{"No password was sent"}},
		"no IMAP":      {good + ", server: " + greeter(t, "220 mail ESMTP") + ", tls: none", 75, "greeting", []string{"no IMAP server"}},
		"mailbox name": {secure + ", mailbox: " + strings.Repeat("x", 300), 73, "", []string{"`mailbox` of the target"}},
	} {
		t.Run(name, func(t *testing.T) {
			drop := dropOf(letters(2))
			o := pop3test.Options{Security: pop3test.Plain}
			l := newLab(t)
			l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice",
				"password: "+password, "keep: none",
				"deliver:\n  - imap: {"+c.keys+"}"))))
			commands := [][]string{{"fetch"}, {"check", "--connect"}}
			if c.step == "" { // only CREATE shows it, which a check leaves out
				commands = commands[:1]
			}
			for _, command := range commands {
				out := l.run(command...)
				l.want(out, c.code)
				text := strings.Join(strings.Fields(out.out+out.err), " ")
				if command[0] == "check" && !strings.Contains(text, "FAIL target "+c.step+" ") {
					t.Errorf("%v does not name the step %s: %v", command, c.step, out)
				}
				for _, says := range append(c.says, "This is the mailbox that the mail goes to, not the one that it comes from.") {
					if !strings.Contains(text, says) {
						t.Errorf("%v does not say %q: %v", command, says, out)
					}
				}
			}
			if drop.Len() != 2 {
				t.Errorf("%d left on the server", drop.Len())
			}
		})
	}
}

// greeter is a server that greets with this line, and has no capabilities.
func greeter(t *testing.T, greeting string) (addr string) {
	return listen(t, func(conn net.Conn) {
		defer conn.Close()
		fmt.Fprintf(conn, "%s\r\n", greeting)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			tag, _, _ := strings.Cut(lines.Text(), " ")
			fmt.Fprintf(conn, "* CAPABILITY IMAP4rev1\r\n%s OK\r\n", tag)
		}
	})
}

func closedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestMailboxOneShot: without a configuration, both passwords come from the
// environment, and STARTTLS is required where it is meant.
func TestMailboxOneShot(t *testing.T) {
	to := realtest.DovecotIMAP(t, "")
	drop := dropOf(letters(2))
	o := pop3test.Options{Security: pop3test.Plain}
	from := "pop3+plain://alice@" + serve(t, drop, o).Addr()
	t.Setenv("MAILHAUL_PASSWORD", password)
	t.Setenv("SSL_CERT_FILE", to.CA)
	l := newLab(t)
	l.write("config.yaml", nil)
	o1 := l.run("fetch", "--from", from, "--to", "imaps://alice@"+to.TLSAddr+"/Old%20mail/2019")
	l.want(o1, 77)
	if !strings.Contains(o1.err, "MAILHAUL_TO_PASSWORD or use --to-password-command") {
		t.Error(o1)
	}
	t.Setenv("MAILHAUL_TO_PASSWORD", realtest.Password)
	l.want(l.run("fetch", "--from", from, "--to", "imaps://alice@"+to.TLSAddr+"/Old%20mail/2019"), 0)
	l.want(l.run("fetch", "--all", "--from", from, "--to", "imap://alice@"+to.Addr+"/Secure"), 0)
	l.want(l.run("fetch", "--all", "--from", from, "--to", "imap+plain://alice@"+to.Addr, "--to-password-command",
		"echo "+realtest.Password), 0)
	for _, mailbox := range []string{"INBOX", "Old mail/2019", "Secure"} {
		if n := len(to.Kept(mailbox)); n != 2 {
			t.Errorf("%d messages in %s", n, mailbox)
		}
	}
}

// quotas loads Dovecot's plugins.
const quotas = "mail_plugins = $mail_plugins quota\nprotocol imap {\n mail_plugins = $mail_plugins quota imap_quota\n}\n"

// TestMailboxChecked: the steps of check --connect, which makes no mailbox.
func TestMailboxChecked(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, quotas+"plugin {\n quota = maildir:User quota\n quota_rule = *:storage=10M\n}\n")
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(2)), o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", server: "+to.TLSAddr+", ca_file: "+to.CA+"}\n"+
			"  - imap: {user: alice, password: "+realtest.Password+", server: "+to.TLSAddr+", ca_file: "+to.CA+", mailbox: New}"))))
	out := l.run("check", "--connect")
	l.want(out, 0)
	for _, says := range []string{"target tls", "TLS 1.3", "target login", "MULTIAPPEND", "target mailbox INBOX exists",
		"target quota", "10240 KiB",
		"New does not exist: it will be created", "target chain"} {
		if !strings.Contains(strings.Join(strings.Fields(out.out), " "), says) {
			t.Errorf("no %q in %s", says, out.out)
		}
	}
	if strings.Contains(l.run("check", "--connect").out, "INBOX.New exists") {
		t.Error("check --connect made the mailbox")
	}
}

// between stands between a client and an IMAP server. It passes each line of the client
// on, closes the connection, or answers a command in place of the server.
func between(t *testing.T, server string, do func(line string) (reply string)) (addr string) {
	return listen(t, func(conn net.Conn) {
		far, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer far.Close()
		go func() { _, _ = io.Copy(conn, far); conn.Close() }()
		for lines := bufio.NewReader(conn); ; {
			line, err := lines.ReadString('\n')
			reply := ""
			if err == nil {
				reply = do(line)
			}
			switch {
			case err != nil || reply == "close":
				return
			case reply == "":
				_, _ = io.WriteString(far, line)
			default:
				tag, _, _ := strings.Cut(line, " ")
				fmt.Fprintf(conn, "%s %s\r\n", tag, reply)
			}
		}
	})
}

// TestMailboxFull: fetch says so once, check --connect finds it before, and nothing is
// left to complete.
func TestMailboxFull(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, quotas+"plugin {\n quota = maildir:User quota\n quota_rule = *:storage=1K\n}\n")
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(60)), o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", tls: none, server: "+to.Addr+"}"))))
	out := l.run("fetch")
	const full = "It is full, or its server's limit for today is reached"
	if n := strings.Count(out.err, full); n != 1 {
		t.Errorf("said %d times: %v", n, out)
	}
	out = l.run("check", "--connect")
	l.want(out, 75)
	if text := strings.Join(strings.Fields(out.out), " "); !strings.Contains(text, "FAIL target quota ") || !strings.Contains(text, full) {
		t.Error(out)
	}
	if out = l.run("status"); strings.Contains(out.out, "interrupted") || strings.Contains(out.out, " for the next one to complete") {
		t.Error(out)
	}
}

// TestMailboxStopped: who stops a run whose delivery hangs is told why it goes on.
func TestMailboxStopped(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	explained := make(chan struct{})
	addr := between(t, to.Addr, func(line string) string {
		if strings.Contains(line, "APPEND") {
			cancel()
			<-explained
		}
		return ""
	})
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(2)), o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", tls: none, server: "+addr+"}"))))
	said := untilSaid{text: "mailhaul: stopping; deliveries under way are completed first", then: func() { close(explained) }}
	Main(ctx, []string{"mailhaul", "-c", l.path("config.yaml"), "--state", l.path("state"), "fetch"},
		term.Streams{Out: io.Discard, Err: &said})
	if n := len(to.Kept("INBOX")); n != 2 {
		t.Errorf("%d messages in the mailbox: %s", n, &said.Buffer)
	}
}

// untilSaid calls then when the text is written.
type untilSaid struct {
	mu sync.Mutex
	bytes.Buffer
	text string
	then func()
}

func (u *untilSaid) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.then != nil && bytes.Contains(p, []byte(u.text)) {
		u.then()
		u.then = nil
	}
	return u.Buffer.Write(p)
}

// TestMailboxBreaks: a connection that breaks while copies are read back is no
// delivery that the next run would find out about, and a copy that cannot be read was
// not moved by anybody.
func TestMailboxBreaks(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	var breaks atomic.Value // what the connection breaks at
	breaks.Store("nothing")
	addr := between(t, to.Addr, func(line string) string {
		if strings.Contains(line, breaks.Load().(string)) {
			return "close"
		}
		return ""
	})
	drop := dropOf(letters(2))
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", tls: none, server: "+addr+"}"))))
	l.want(l.run("fetch"), 0)
	for _, at := range []struct {
		line string
		code int
		says string
	}{{"EXAMINE", 75, "Try again later"}, {"UID FETCH", 65, "run `mailhaul verify lab` again"}} {
		breaks.Store(at.line)
		for _, command := range [][]string{{"verify"}, {"purge", "--yes", "lab"}} {
			out := l.run(command...)
			l.want(out, at.code)
			text := strings.Join(strings.Fields(out.out+out.err), " ")
			if strings.Contains(text, "next run") || strings.Contains(text, "moved") || !strings.Contains(text, at.says) ||
				drop.Len() != 2 {
				t.Errorf("%v with %d left: %v", command, drop.Len(), out)
			}
		}
	}
}

// TestMailboxLeftAlone: a run that finds nothing new does not connect to the mailbox that
// the mail goes to.
func TestMailboxLeftAlone(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	var connections atomic.Int32
	addr := listen(t, func(conn net.Conn) {
		connections.Add(1)
		server, err := net.Dial("tcp", to.Addr)
		if err != nil {
			return
		}
		defer server.Close()
		go func() { _, _ = io.Copy(server, conn) }()
		_, _ = io.Copy(conn, server)
	})
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(3)), o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", tls: none, server: "+addr+"}"))))
	for range 3 {
		l.want(l.run("fetch"), 0)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for one run with mail and two without", n)
	}
}

// TestMailboxReadBackDistant: verify and report do not read one message a round trip, also
// of those that a person has moved into another mailbox since.
func TestMailboxReadBackDistant(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	const n = 120
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(n)), o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", tls: none, server: "+to.Addr+"}"))))
	l.want(l.run("fetch"), 0)
	for range 2 {
		for _, command := range [][]string{{"-vv", "verify"}, {"-vv", "report", "lab"}} {
			out := l.run(command...)
			l.want(out, 0)
			if got := strings.Count(out.err, "UID FETCH"); got > n/20 {
				t.Errorf("%v reads with %d commands", command, got)
			}
		}
		conn, err := net.Dial("tcp", to.Addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "a LOGIN alice %s\r\nb CREATE Other\r\nc SELECT INBOX\r\nd UID MOVE 1:60 Other\r\ne LOGOUT\r\n",
			realtest.Password)
		if said, _ := io.ReadAll(conn); !bytes.Contains(said, []byte("d OK")) {
			t.Fatalf("%s", said)
		}
		_ = conn.Close()
	}
}

// TestMailboxReadBack: what verify finds there: all intact, also in another mailbox; one
// altered, one missing; and nothing at all while the login is refused, which is said once
// and deletes nothing.
func TestMailboxReadBack(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	drop := dropOf(letters(4))
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	from := append(l.to(serve(t, drop, o), o), "user: alice", "password: "+password)
	configure := func(secret string) {
		l.write("config.yaml", []byte(accountYAML("lab", append(slices.Clone(from),
			"deliver:\n  - imap: {user: alice, password: "+secret+", server: "+to.TLSAddr+", ca_file: "+to.CA+"}"))))
	}
	configure("wrong")
	l.want(l.run("fetch"), 77)
	configure(realtest.Password)
	l.want(l.run("fetch"), 0)

	configure("wrong")
	for _, command := range [][]string{{"verify"}, {"purge", "--yes", "lab"}} {
		out := l.run(command...)
		l.want(out, 77)
		if n := strings.Count(out.out+out.err, "Authentication failed"); n != 1 || drop.Len() != 4 {
			t.Errorf("%v says it %d times, %d left: %v", command, n, drop.Len(), out)
		}
	}
	if out := l.run("state", "export", "--manifest", "lab"); out.code != 77 || strings.Count(out.out, "\n") != 6 ||
		!strings.Contains(out.err, "left out of the manifest") {
		t.Error(out)
	}
	configure(realtest.Password)
	l.want(l.run("verify"), 0)

	names, _ := filepath.Glob(filepath.Join(to.Dir, "new", "*"))
	if len(names) != 4 {
		t.Fatalf("%d files", len(names))
	}
	text, err := os.ReadFile(names[1])
	if err == nil {
		err = os.WriteFile(names[1], bytes.Replace(text, []byte("number"), []byte("NUMBER"), 1), 0o600)
	}
	if err == nil {
		err = os.Remove(names[2])
	}
	if err != nil {
		t.Fatal(err)
	}
	out := l.run("verify")
	l.want(out, 65)
	if !strings.Contains(out.out, "2 verified") || !strings.Contains(out.out, "1 missing") {
		t.Error(out)
	}
	if r := l.report(); r.Safe {
		t.Errorf("%+v", r)
	}
}

// TestMailboxDamaged: a message whose file the server cannot read ends its session. It is
// reported as unreadable and stays on the server that it comes from; all others are
// verified and purged, also from a mailbox that has another name now.
func TestMailboxDamaged(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, "")
	drop := dropOf(letters(5))
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice", "password: "+password,
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", server: "+to.TLSAddr+", ca_file: "+to.CA+", mailbox: Old}"))))
	l.want(l.run("fetch"), 0)
	if err := os.Rename(filepath.Join(to.Dir, ".Old"), filepath.Join(to.Dir, ".New")); err != nil {
		t.Fatal(err)
	}
	out := l.run("verify")
	l.want(out, 0)
	names, _ := filepath.Glob(filepath.Join(to.Dir, ".New", "new", "*"))
	if len(names) != 5 {
		t.Fatalf("%d files", len(names))
	}
	if err := os.Truncate(names[1], 30); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"dovecot.index.cache", "dovecot.index", "dovecot.index.log"} {
		_ = os.Remove(filepath.Join(to.Dir, ".New", file))
	}
	out = l.run("verify")
	l.want(out, 65)
	if !strings.Contains(out.out, "4 verified, 1 unreadable") || strings.Contains(out.out, " \n") {
		t.Error(out)
	}
	l.want(l.run("purge", "--yes", "lab"), 65)
	if drop.Len() != 1 {
		t.Errorf("%d left on the server, want the damaged one", drop.Len())
	}
}

// TestMailboxFillsUp: what does not fit waits on the server that it comes from, each run says
// so once and soon, and counts the same.
func TestMailboxFillsUp(t *testing.T) {
	t.Parallel()
	to := realtest.DovecotIMAP(t, quotas+"plugin {\n quota = maildir:User quota\n quota_rule = *:storage=100K\n}\n")
	var messages [][]byte
	for _, m := range letters(8) {
		messages = append(messages, append(m, strings.Repeat("A line of a message that has to fit.\r\n", 800)...))
	}
	drop, o := dropOf(messages), pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice", "password: "+password, "keep: none",
		"deliver:\n  - imap: {user: alice, password: "+realtest.Password+", server: "+to.TLSAddr+", ca_file: "+to.CA+"}"))))
	for run := range 3 {
		out := l.run("fetch")
		t.Log(out)
		l.want(out, 75)
		if n := strings.Count(out.err, "make room there"); n != 1 || out.took > 8*time.Second {
			t.Errorf("run %d says it %d times in %s: %v", run, n, out.took, out)
		}
	}
	if n := len(to.Kept("INBOX")); n == 0 || n+drop.Len() != len(messages) {
		t.Errorf("%d in the mailbox, %d left", n, drop.Len())
	}
}
