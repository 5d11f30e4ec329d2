//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// peer is a real program that fetches from a Dovecot and keeps what it
// fetched there.
type peer struct {
	format string
	file   string
	conf   string // HOME and PORT stand for what they say
	args   []string
}

func peers() []peer {
	return []peer{
		{"fetchmail", ".fetchmailrc",
			"set no syslog\npoll 127.0.0.1 proto pop3 port PORT uidl\nuser alice there password \"" + password + "\" is root here\n" +
				"keep no rewrite sslproto '' mda \"cat > HOME/mail/new/$$\"\n",
			[]string{"-f", "HOME/.fetchmailrc", "--pidfile", "HOME/pid", "--silent", "--nodetach", "-d", "0"}},
		{"mpop", ".mpoprc",
			"defaults\nkeep on\ndelivery maildir HOME/mail\naccount a\nhost 127.0.0.1\nport PORT\nuser alice\npassword \"" +
				password + "\"\ntls off\nauth user\n",
			[]string{"-C", "HOME/.mpoprc", "-Q", "-a"}},
		{"getmail", ".getmail/getmailrc",
			"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = PORT\nusername = alice\npassword = " + password + "\n" +
				"[destination]\ntype = Maildir\npath = HOME/mail/\n[options]\nread_all = false\ndelete = false\n",
			[]string{"-g", "HOME/.getmail", "-q"}},
		{"fdm", ".fdm.conf",
			"set lock-file \"HOME/lock\"\naction \"in\" maildir \"HOME/mail\"\naccount \"a\" pop3 server \"127.0.0.1\" port PORT user " +
				"\"alice\" pass \"" + password +
				"\" new-only cache \"HOME/cache\" no-apop keep\nmatch all action \"in\"\n",
			[]string{"-f", "HOME/.fdm.conf", "fetch"}},
	}
}

// TestImportTakesOverFromPeers lets each program fetch half of a mailbox. Then
// its configuration and its list are imported, more mail arrives, and we fetch
// the rest to where it delivered: each message is there once.
func TestImportTakesOverFromPeers(t *testing.T) {
	t.Parallel()
	for _, p := range peers() {
		t.Run(p.format, func(t *testing.T) {
			t.Parallel()
			pop3test.Require(t, p.format)
			d := dovecot(t, pop3test.DovecotOptions{})
			all := letters(40)
			d.AddMessages("alice", all[5:20])
			l := newLab(t)
			l.env = []string{"HOME=" + l.dir}
			p.fetch(t, l, d)
			wantEach(t, l.path("mail"), 20)
			d.AddMessages("alice", all[20:])

			yaml := l.run("import", p.format)
			l.want(yaml, 0)
			l.write("config.yaml", []byte(yaml.out))
			l.want(l.run("check"), 0)
			o := l.run("import", p.format, "--verify")
			l.want(o, 0)
			wantOut(t, o, "40 on the server, 20 known, 20 unknown")
			o = l.run("import", p.format, "--state", "--verify")
			l.want(o, 0)
			wantOut(t, o, "imported 20 messages as seen")

			o = l.run("fetch")
			l.want(o, 0)
			wantOut(t, o, "20 messages fetched")
			wantEach(t, l.path("mail"), 40)
			if n := d.Maildrop("alice"); n != 40 {
				t.Errorf("%d messages on the server, want 40", n)
			}
			wantOut(t, l.run("import", p.format, "--state", "--verify"), "20 known", "imported 0 messages as seen")
		})
	}
}

// childrenLast has Python's children begin a little later. getmail waits for
// the end of a child only after a while, and for ever if it ended before.
const childrenLast = `import os, time
_fork = os.fork
def fork():
    pid = _fork()
    if pid == 0:
        time.sleep(0.1)
    return pid
os.fork = fork
`

// fetch runs the program once, and again from nothing, twice at most, if it
// hangs: childrenLast makes that rare and not impossible.
func (p peer) fetch(t *testing.T, l *lab, d *pop3test.Dovecot) {
	t.Helper()
	for range 2 {
		if p.try(t, l, d, 20*time.Second) {
			return
		}
		t.Logf("%s hangs: once more", p.format)
		for _, dir := range []string{"mail", filepath.Dir(p.file)} {
			if dir == "." {
				continue // its other files are written anew
			}
			if err := os.RemoveAll(l.path(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !p.try(t, l, d, time.Minute) {
		t.Fatalf("%s hangs each time", p.format)
	}
}

// try returns false if the program does not end in time.
func (p peer) try(t *testing.T, l *lab, d *pop3test.Dovecot, limit time.Duration) bool {
	t.Helper()
	fill := strings.NewReplacer("HOME", l.dir, "PORT", fmt.Sprint(d.Port)).Replace
	for _, dir := range []string{"mail/tmp", "mail/new", "mail/cur", ".mpop_uidls", filepath.Dir(p.file)} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.write(p.file, []byte(fill(p.conf)))
	l.write("sitecustomize.py", []byte(childrenLast))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.format, strings.Fields(fill(strings.Join(p.args, " ")))...)
	cmd.Env = []string{"HOME=" + l.dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "PYTHONPATH=" + l.dir, "USER=root", "LOGNAME=root"}
	cmd.Dir = l.dir
	if p.format == "getmail" || p.format == "fdm" {
		asNobody(t, cmd, l.dir)
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return false
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", p.format, err, out)
	}
	return true
}

// asNobody runs a command as another user if the test runs as root: as root
// some programs refuse, or change to a user of their own.
func asNobody(t *testing.T, cmd *exec.Cmd, home string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	if err := os.Chmod(filepath.Dir(home), 0o711); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(home, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

var idOfLetter = regexp.MustCompile(`(?mi)^Message-ID: <(\d+)@example\.org>`)

// wantEach checks that a Maildir holds each of the first n letters once. The
// programs add fields, so that the bytes differ.
func wantEach(t *testing.T, maildir string, n int) {
	t.Helper()
	got := make(map[string]int)
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(maildir, sub, "*"))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			id := idOfLetter.FindSubmatch(text)
			if id == nil {
				t.Fatalf("%s is none of the letters: %.200q", name, text)
			}
			got[string(id[1])]++
		}
	}
	for k := 1; k <= n; k++ {
		if times := got[fmt.Sprint(k)]; times != 1 {
			t.Errorf("letter %d is there %d times", k, times)
		}
	}
	if len(got) != n {
		t.Errorf("%d letters, want %d", len(got), n)
	}
}
