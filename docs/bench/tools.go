//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// job is one fetch: from a maildrop to a destination.
type job struct {
	from   box
	delete bool
	to     dest
	dir    string // the tool's own: configuration and state
}

// dest is where messages go: one of the three.
type dest struct {
	maildir, mbox string
	smtp          int // port on loopback
}

// tool is a retriever.
type tool struct {
	name    string
	program string // path
	command func(program string, j job) (*exec.Cmd, error)
}

// peers are the other retrievers that are installed.
func (l *lab) peers() []tool {
	all := []tool{
		{name: "mpop", command: mpop},
		{name: "fdm", command: fdm},
		{name: "fetchmail", command: fetchmail},
		{name: "getmail", command: getmail},
	}
	var have []tool
	for _, t := range all {
		if p := os.Getenv("P"); p != "" && !slices.Contains(strings.Split(p, ","), t.name) {
			continue
		}
		path, err := exec.LookPath(t.name)
		if err != nil {
			l.Logf("%s is not installed: not measured", t.name)
			continue
		}
		t.program = path
		have = append(have, t)
	}
	return have
}

// with gives a command its directory as home, and the password.
func with(cmd *exec.Cmd, j job) *exec.Cmd {
	cmd.Dir = j.dir
	cmd.Env = []string{"HOME=" + j.dir, "PATH=" + os.Getenv("PATH"), "MAILHAUL_PASSWORD=" + password,
		"FETCHMAILHOME=" + j.dir, "LC_ALL=C", "USER=root", "TMPDIR=" + os.TempDir()}
	for _, v := range []string{"GOGC", "GODEBUG", "GOMAXPROCS", "MAILHAUL_PROFILE"} { // to try things out
		if s, ok := os.LookupEnv(v); ok {
			cmd.Env = append(cmd.Env, v+"="+s)
		}
	}
	return cmd
}

func writeFile(j job, name, format string, args ...any) (string, error) {
	path := filepath.Join(j.dir, name)
	return path, os.WriteFile(path, []byte(fmt.Sprintf(format, args...)), 0o600)
}

func mailhaul(program string, j job) (*exec.Cmd, error) {
	args := []string{"--state", filepath.Join(j.dir, "state"), "--no-progress", "--quiet", "fetch"}
	scheme := "pop3+plain"
	if j.from.tls {
		scheme = "pop3s"
		args = append(args, "--ca-file", j.from.pem)
	}
	if j.delete {
		args = append(args, "--delete")
	}
	to := "maildir:" + j.to.maildir
	switch {
	case j.to.mbox != "":
		to = "mbox:" + j.to.mbox
	case j.to.smtp != 0:
		to = fmt.Sprintf("smtp://127.0.0.1:%d?rcpt=bench@localhost", j.to.smtp)
	}
	args = append(args, "--from", scheme+"://"+j.from.user+"@"+j.from.addr(), "--to", to)
	return with(exec.Command(program, args...), j), nil
}

// passable lets other users reach what is in a job's directory.
func passable(j job) error {
	return errors.Join(os.Chmod(filepath.Dir(j.dir), 0o711), os.Chmod(j.dir, 0o711))
}

// giveAway makes a Maildir that of nobody.
func giveAway(maildir string) error {
	const nobody = 65534
	errs := []error{os.Chown(maildir, nobody, nobody)}
	for _, sub := range []string{"tmp", "new", "cur"} {
		errs = append(errs, os.Chown(filepath.Join(maildir, sub), nobody, nobody))
	}
	return errors.Join(errs...)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func mpop(program string, j job) (*exec.Cmd, error) {
	to := "maildir " + j.to.maildir
	if j.to.mbox != "" {
		to = "mbox " + j.to.mbox
	}
	trust := ""
	if j.from.tls {
		trust = "tls_starttls off\ntls_trust_file " + j.from.pem
	}
	rc, err := writeFile(j, "mpoprc", `account bench
host %s
port %d
user %s
password %s
auth user
tls %s
%s
keep %s
received_header off
uidls_file %s
delivery %s
`, j.from.host, j.from.port, j.from.user, password, onOff(j.from.tls), trust, onOff(!j.delete),
		filepath.Join(j.dir, "uidls"), to)
	return with(exec.Command(program, "-q", "-C", rc, "bench"), j), err
}

func fdm(program string, j job) (*exec.Cmd, error) {
	kind, keep := "pop3", "keep"
	if j.from.tls {
		kind = "pop3s"
	}
	if j.delete {
		keep = ""
	}
	action := "maildir \"" + j.to.maildir + "\""
	if j.to.mbox != "" {
		action = "mbox \"" + j.to.mbox + "\""
	}
	// Started by root it fetches, and writes its cache, as another user.
	open := filepath.Join(j.dir, "open")
	if err := os.MkdirAll(open, 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(open, 0o777), passable(j)); err != nil {
		return nil, err
	}
	rc, err := writeFile(j, "fdm.conf", `set default-user "root"
set command-user "root"
set lock-file "%[1]s/lock"
set maximum-size 100M
action "to" %[2]s
account "bench" %[3]s server "%[4]s" port %[5]d user "%[6]s" pass "%[7]s" new-only cache "%[1]s/open/cache" %[8]s
match all action "to"
`, j.dir, action, kind, j.from.host, j.from.port, j.from.user, password, keep)
	return with(exec.Command(program, "-f", rc, "fetch"), j), err
}

func fetchmail(program string, j job) (*exec.Cmd, error) {
	tls, keep := `sslproto ""`, "keep"
	if j.from.tls {
		tls = `ssl sslcertck sslcertfile "` + j.from.pem + `"`
	}
	if j.delete {
		keep = "nokeep"
	}
	to := fmt.Sprintf("smtphost 127.0.0.1/%d", j.to.smtp)
	if j.to.smtp == 0 {
		// A trailing slash is procmail's sign for a Maildir.
		prc, err := writeFile(j, "procmailrc", "DEFAULT=%s/\nLOGFILE=/dev/null\n", strings.TrimSuffix(j.to.maildir, "/"))
		if err != nil {
			return nil, err
		}
		to = `mda "procmail -m ` + prc + `"`
	}
	rc, err := writeFile(j, "fetchmailrc", `set no bouncemail
poll %s service %d protocol pop3 uidl auth password
  user "%s" password "%s" is root here %s %s %s
`, j.from.host, j.from.port, j.from.user, password, tls, keep, to)
	return with(exec.Command(program, "-s", "-f", rc, "-i", filepath.Join(j.dir, "fetchids"),
		"--pidfile", filepath.Join(j.dir, "pid")), j), err
}

func getmail(program string, j job) (*exec.Cmd, error) {
	retriever, ca := "SimplePOP3Retriever", ""
	if j.from.tls {
		retriever, ca = "SimplePOP3SSLRetriever", "ca_certs = "+j.from.pem
	}
	user := "root"
	if os.Getuid() == 0 { // it refuses to deliver as root
		user = "nobody"
		if err := errors.Join(passable(j), giveAway(j.to.maildir)); err != nil {
			return nil, err
		}
	}
	_, err := writeFile(j, "getmailrc", `[retriever]
type = %s
server = %s
port = %d
username = %s
password = %s
timeout = 60
%s
[destination]
type = Maildir
path = %s/
user = %s
[options]
delete = %t
read_all = false
verbose = 0
delivered_to = false
received = false
`, retriever, j.from.host, j.from.port, j.from.user, password, ca, j.to.maildir, user, j.delete)
	return with(exec.Command(program, "--getmaildir="+j.dir, "--rcfile=getmailrc"), j), err
}
