//go:build unix

package rcfile_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// peer is a real program that fetches, and how to run it.
type peer struct {
	format, program string
	user            string
	uids            []string
	conf            func(s *pop3test.Server, home, user string) (name, text string)
	args            func(home, conf string) []string
}

// hardUIDs are those that peers store in their own ways; fdm takes at most 70
// bytes and no blank, fetchmail cuts at 128.
func hardUIDs() []string {
	return []string{"plain1", "a/b/c", "c-d", "with@at@h", "#hash", "00000001.0000002a", strings.Repeat("z", 70),
		"!\"$%&'()*+,;<=>?[]^_{|}~"}
}

func peers() []peer {
	long := append(hardUIDs(), strings.Repeat("y", 127), strings.Repeat("y", 128), strings.Repeat("x", 150), "x"+strings.Repeat("w", 140))
	return []peer{
		{format: "fetchmail", program: "fetchmail", user: "Al.Ice@Example.Net", uids: long,
			conf: func(s *pop3test.Server, home, user string) (string, string) {
				return ".fetchmailrc", fmt.Sprintf("set idfile \"ids\"\nset pidfile \"pid\"\nset no syslog\n"+
					"poll label via 127.0.0.1 proto pop3 port %d uidl\n"+
					"user '%s' there password \"sec\\x72et\" is root here\nkeep sslproto '' mda \"cat > /dev/null\"\n", s.Port, user)
			},
			args: func(home, conf string) []string { return []string{"-f", conf, "--silent", "--nodetach", "-d", "0"} }},
		{format: "mpop", program: "mpop", user: "al/ice@example.net", uids: append(hardUIDs(), "with blank 123456789"),
			conf: func(s *pop3test.Server, home, user string) (string, string) {
				return ".mpoprc", fmt.Sprintf("defaults\nkeep on\ndelivery maildir %s/mail\naccount a\nhost 127.0.0.1\nport %d\n"+
					"user %s\npassword \"secret\"\ntls off\nauth user\n",
					home, s.Port, user)
			},
			args: func(home, conf string) []string { return []string{"-C", conf, "-Q", "-a"} }},
		{format: "getmail", program: "getmail", user: "al/i:c;e@example.net", uids: hardUIDs(),
			conf: func(s *pop3test.Server, home, user string) (string, string) {
				return ".getmail/getmailrc", fmt.Sprintf("[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = %d\n"+
					"username = %s\npassword = secret\n"+
					"[destination]\ntype = Maildir\npath = %s/mail/\n[options]\nread_all = false\ndelete = false\n", s.Port, user, home)
			},
			args: func(home, conf string) []string { return []string{"-g", filepath.Dir(conf), "-q"} }},
		{format: "fdm", program: "fdm", user: "alice", uids: hardUIDs(),
			conf: func(s *pop3test.Server, home, user string) (string, string) {
				return ".fdm.conf", fmt.Sprintf("set lock-file \"%s/lock\"\naction \"in\" maildir \"%s/mail\"\n"+
					"account \"a\" pop3 server \"127.0.0.1\" port %d user \"%s\" pass \"s\\ecret\" new-only cache \"%s/cache\" "+
					"no-apop keep\nmatch all action \"in\"\n",
					home, home, s.Port, user, home)
			},
			args: func(home, conf string) []string { return []string{"-f", conf, "fetch"} }},
	}
}

// TestPeers lets each program fetch half of a mailbox and keep it, and then
// finds exactly that half known, from its own files.
func TestPeers(t *testing.T) {
	for _, p := range peers() {
		t.Run(p.format, func(t *testing.T) {
			program, err := exec.LookPath(p.program)
			if err != nil {
				if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
					t.Fatal(err)
				}
				t.Skipf("%s is not installed", p.program)
			}
			drop := &pop3test.Maildrop{}
			body := []byte("From: a@example.net\r\nTo: b@example.net\r\nSubject: x\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n" +
				"Message-ID: <1@example.net>\r\n\r\nx\r\n")
			for _, uid := range p.uids {
				drop.Add(uid, body)
			}
			s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, User: p.user, NoPipelining: true})
			defer s.Close()
			home := t.TempDir()
			name, text := p.conf(s, home, p.user)
			conf := filepath.Join(home, name)
			for _, dir := range []string{filepath.Dir(conf), filepath.Join(home, "mail/tmp"), filepath.Join(home, "mail/new"),
				filepath.Join(home, "mail/cur"),
				filepath.Join(home, ".mpop_uidls", filepath.Dir(p.user))} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, p.args(home, conf)...)
			cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "USER=root", "LOGNAME=root"}
			cmd.Dir = home
			if p.format == "getmail" || p.format == "fdm" {
				unprivileged(t, cmd, home) // as root they refuse, or change to a user of their own
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s\n%s", p.program, err, out, strings.Join(s.Commands(), "\n"))
			}
			if n := s.Count("RETR") + s.Count("TOP"); n < len(p.uids) {
				t.Fatalf("%s fetched only %d\n%s", p.program, n, out)
			}
			checkPeer(t, p, drop, home, body, start)
		})
	}
}

// unprivileged runs a command as nobody if the test runs as root.
func unprivileged(t *testing.T, cmd *exec.Cmd, home string) {
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
		return os.Chown(p, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// checkPeer adds the other half, then reads what the program left.
func checkPeer(t *testing.T, p peer, drop *pop3test.Maildrop, home string, body []byte, start time.Time) {
	var fresh, server []string
	for i := range p.uids {
		uid := fmt.Sprintf("fresh/%d", i)
		drop.Add(uid, body)
		fresh = append(fresh, uid)
	}
	for _, m := range drop.Messages() {
		server = append(server, m.UID)
	}
	r, err := read(p.format, "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	if why, busy := r.Format.Busy(r); busy {
		t.Errorf("busy: %s", why)
	}
	accepts(t, r, home)
	if len(r.Secrets) != 1 || r.Secrets[0].Value != "secret" || r.Accounts[0].User != p.user {
		t.Errorf("user %q", r.Accounts[0].User)
	}
	lists, err := r.Seen()
	if err != nil || len(lists) != 1 || lists[0].Account != r.Accounts[0].Name {
		t.Fatalf("lists %+v: %v", lists, err)
	}
	m := rcfile.Match(server, lists[0])
	if !slices.Equal(m.Unknown, fresh) {
		t.Errorf("unknown: %q, not %q", m.Unknown, fresh)
	}
	for _, uid := range p.uids {
		u, ok := m.Known[uid]
		if !ok {
			t.Errorf("%q is not known", uid)
		}
		if p.format == "getmail" && u.FirstSeen.Sub(start).Abs() > time.Minute {
			t.Errorf("%q first seen %v", uid, u.FirstSeen)
		}
	}
	if len(m.Unmatched) > 0 {
		t.Errorf("unmatched: %v", m.Unmatched)
	}
	if d := m.Diagnose(p.format); d.Bad {
		t.Errorf("%+v", d)
	}
}
