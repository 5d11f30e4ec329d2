package pop3test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// DovecotOptions shape a private Dovecot. The zero value has the user "alice"
// with password "secret" and every mechanism that needs only a password.
type DovecotOptions struct {
	// Users maps names to passwords.
	Users map[string]string
	// Mechanisms, in Dovecot's spelling; nil for plain, login, cram-md5,
	// digest-md5, apop, scram-sha-1, scram-sha-256. Add "external", "gssapi",
	// "xoauth2" and "oauthbearer" together with what they need.
	Mechanisms []string
	// CA issues the server's certificate and, for "external", checks the
	// client's, whose common name is the user. Nil for a new one.
	CA *CA
	// Keytab is the file that "gssapi" uses, with a key for pop/localhost,
	// and Krb5Config the krb5.conf that names its realm. Tests may make them
	// readable for themselves only; Dovecot gets copies.
	Keytab, Krb5Config string
	// TokenKeys are what "xoauth2" and "oauthbearer" check JWTs with, by
	// "azp/ALG/kid"; PEM public keys, or base64 secrets for HS*. Nil for one
	// HS256 secret that MintToken uses.
	TokenKeys map[string][]byte
	// LMTP also starts an LMTP listener.
	LMTP bool
	// Config is appended to the configuration and wins.
	Config string
}

// Dovecot is a running private Dovecot 2.3 on loopback ports. Mail is in one
// Maildir a user.
type Dovecot struct {
	// Host is "127.0.0.1". Port speaks POP3 with STLS and allows plain
	// logins; TLSPort speaks POP3 with implicit TLS.
	Host          string
	Port, TLSPort int
	// LMTPPort and LMTPSocket are where LMTP listens; zero without it.
	LMTPPort   int
	LMTPSocket string
	// CA signs the server's certificate, for localhost, 127.0.0.1 and ::1.
	CA *CA
	// Dir is the private directory and Log the server's log file in it.
	Dir, Log string

	t      TB
	opts   DovecotOptions
	uid    int
	gid    int
	secret []byte
	logged int64 // size of the log at the last start
	seq    atomic.Int64
	cmd    *exec.Cmd
	stdin  io.Closer
}

// dovecotPatience bounds the start and the stop of a Dovecot.
const dovecotPatience = 15 * time.Second

// StartDovecot starts a Dovecot that ends with the test, as root (mail then
// belongs to an unprivileged user) or as any other user. It skips the test if
// Dovecot is not installed, and fails it if MAILHAUL_REQUIRE_ALL is 1.
func StartDovecot(t TB, o DovecotOptions) *Dovecot {
	t.Helper()
	Require(t, "dovecot")
	if o.Users == nil {
		o.Users = map[string]string{"alice": "secret"}
	}
	if o.Mechanisms == nil {
		o.Mechanisms = strings.Fields("plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256")
	}
	if o.CA == nil {
		o.CA = NewCA()
	}
	d := &Dovecot{Host: "127.0.0.1", CA: o.CA, t: t, opts: o, uid: os.Getuid(), gid: os.Getgid()}
	if d.uid == 0 {
		d.uid, d.gid = 65534, 65534 // nobody; Dovecot refuses mail of root
	}
	d.Dir = shortTempDir(t)
	d.Log = filepath.Join(d.Dir, "dovecot.log")
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("dovecot's log:\n%s", d.LogText())
		}
	})
	if err := d.prepare(); err != nil {
		t.Fatalf("dovecot: prepare: %v", err)
	}
	d.Start()
	return d
}

// Require returns the path of a program of the system. Without it, it skips the
// test, or fails it if MAILHAUL_REQUIRE_ALL is 1.
func Require(t TB, program string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s is not installed, and MAILHAUL_REQUIRE_ALL is set", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// shortTempDir makes a directory whose unix sockets stay under the limit of
// 108 bytes, which t.TempDir with a long test name would not.
func shortTempDir(t TB) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 40 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "dove")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Start starts a stopped Dovecot, on the ports and with the mail it had.
func (d *Dovecot) Start() {
	d.t.Helper()
	var err error
	for range 3 { // another process may take a free port before Dovecot does
		if err = d.start(); err == nil {
			return
		}
		d.Stop()
		if !strings.Contains(d.newLog(), "Address already in use") {
			break
		}
		d.Port = 0
	}
	d.t.Fatalf("dovecot: start: %v\n%s", err, d.LogText())
}

func (d *Dovecot) start() error {
	if d.Port == 0 {
		if err := d.pickPorts(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(d.configFile(), []byte(d.config()), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil {
		d.logged = info.Size()
	}
	// The shell ends Dovecot when its standard input ends: even a test
	// binary that is killed leaves no server behind.
	const watch = `exec 3<&0
"$1" -F -c "$0" 3<&- </dev/null & p=$!
(cat <&3 >/dev/null; kill -TERM $p 2>/dev/null) & w=$!
wait $p; kill $w 2>/dev/null; exit 0`
	d.cmd = exec.Command("/bin/sh", "-c", watch, d.configFile(), Require(d.t, "dovecot"))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	ownGroup(d.cmd)
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		d.cmd = nil
		return err
	}
	return d.awaitGreeting()
}

// awaitGreeting waits until Dovecot answers, which it may refuse to at first.
func (d *Dovecot) awaitGreeting() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(dovecotPatience); ; <-tick.C {
		err := greets(d.Addr())
		if err == nil {
			return nil
		}
		if strings.Contains(d.newLog(), "Fatal:") {
			return errors.New("it refused its configuration")
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func greets(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 3)
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	if string(b) != "+OK" {
		return fmt.Errorf("greeting begins %q", b)
	}
	return nil
}

func (d *Dovecot) pickPorts() error {
	ports, err := FreePorts(3)
	if err != nil {
		return err
	}
	d.Port, d.TLSPort, d.LMTPPort = ports[0], ports[1], ports[2]
	if !d.opts.LMTP {
		d.LMTPPort = 0
	}
	return nil
}

// Stop ends Dovecot and all its processes and waits for them. Clients are
// disconnected. It may be called again.
func (d *Dovecot) Stop() {
	if d.cmd == nil {
		return
	}
	d.stdin.Close()
	kill := time.AfterFunc(dovecotPatience, func() { killGroup(d.cmd) })
	d.cmd.Wait() //nolint:errcheck // how it ended is in its log
	kill.Stop()
	killGroup(d.cmd)
	d.cmd = nil
}

// kill ends all its processes at once: a shutdown in order takes a second,
// which the end of a test need not wait for.
func (d *Dovecot) kill() {
	if d.cmd == nil {
		return
	}
	killGroup(d.cmd)
	d.Stop()
}

// Restart stops and starts it.
func (d *Dovecot) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// Addr is host:port of the listener for plain and STLS.
func (d *Dovecot) Addr() string { return net.JoinHostPort(d.Host, fmt.Sprint(d.Port)) }

// TLSAddr is host:port of the listener with implicit TLS.
func (d *Dovecot) TLSAddr() string { return net.JoinHostPort(d.Host, fmt.Sprint(d.TLSPort)) }

// LogText is what Dovecot has logged so far.
func (d *Dovecot) LogText() string {
	b, err := os.ReadFile(d.Log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// newLog is what it has logged since the last start.
func (d *Dovecot) newLog() string {
	text := d.LogText()
	return text[min(d.logged, int64(len(text))):]
}
