package sasl_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// program finds a Debian program or skips the test.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/lib/dovecot/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s is missing: install %s", name, pkg)
	}
	t.Skipf("%s is missing: install %s", name, pkg)
	return ""
}

// privateDir is a directory that server processes under another user can enter.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serve starts a server in the foreground, waits until the port answers, and
// stops it at the end of the test.
func serve(t *testing.T, port int, log string, env []string, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := os.Create(log + ".out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() { stop(t, cmd, gone, log) })
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("%s ended: %v", argv[0], err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", argv[0], err)
		}
	}
}

func stop(t *testing.T, cmd *exec.Cmd, gone chan error, log string) {
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		<-gone
	}
	if t.Failed() {
		for _, f := range []string{log, log + ".out"} {
			text, _ := os.ReadFile(f)
			t.Logf("%s:\n%s", f, text)
		}
	}
}

const dovecotConf = `
protocols = pop3
listen = 127.0.0.1
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
auth_debug = yes
default_internal_user = USER
default_internal_group = GROUP
default_login_user = USER
import_environment = KRB5_CONFIG=DIR/krb5.conf KRB5RCACHENAME=none:
mail_location = maildir:DIR/mail/%n
first_valid_uid = 1
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
ssl_ca = <DIR/cert.pem
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
auth_username_format = %Ln
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 external xoauth2 oauthbearer GSSAPI
auth_krb5_keytab = DIR/pop.keytab
auth_gssapi_hostname = localhost
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = 0
  }
  inet_listener pop3s {
    port = PORT
    ssl = yes
  }
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/passwd
  mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
}
passdb {
  driver = static
  args = nopassword=y
  mechanisms = external gssapi
}
passdb {
  driver = oauth2
  args = DIR/oauth2.conf
  mechanisms = xoauth2 oauthbearer
}
userdb {
  driver = static
  args = uid=USER gid=GROUP home=DIR/mail/%n
}
`

// dovecot is a private server over TLS for user alice with password sesame.
type dovecot struct {
	port int
	tls  *tls.Config
	cert tls.Certificate
	// secret signs tokens.
	secret []byte
}

// startDovecot takes a directory that may already hold krb5.conf and
// pop.keytab; gssapi says so.
func startDovecot(t *testing.T, dir string, gssapi bool) *dovecot {
	t.Helper()
	path := program(t, "dovecot", "dovecot-pop3d")
	d := &dovecot{port: freePort(t), secret: []byte("0123456789abcdef0123456789abcdef")}
	key := ecKey(t)
	d.cert = selfSigned(t, key)
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.cert.Certificate[0]})
	write(t, dir+"/cert.pem", string(certPEM))
	write(t, dir+"/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
	write(t, dir+"/passwd", "alice:sesame\n")
	write(t, dir+"/oauth2.conf", "introspection_mode = local\nusername_attribute = sub\n"+
		"local_validation_key_dict = fs:posix:prefix="+dir+"/keys/\n")
	write(t, dir+"/keys/default/HS256/default", base64.StdEncoding.EncodeToString(d.secret))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	d.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}

	name, group := serverUser(t, dir)
	conf := strings.NewReplacer("DIR", dir, "USER", name, "GROUP", group, "PORT", strconv.Itoa(d.port)).Replace(dovecotConf)
	if !gssapi {
		conf = strings.ReplaceAll(conf, " GSSAPI", "")
	}
	write(t, dir+"/dovecot.conf", conf)
	serve(t, d.port, dir+"/log", nil, path, "-F", "-c", dir+"/dovecot.conf")
	return d
}

// serverUser is who the server's processes run as: mail must not belong to root.
func serverUser(t *testing.T, dir string) (name, group string) {
	t.Helper()
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("dovecot")
	}
	if err != nil {
		t.Skip(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Skip(err)
	}
	if err := os.Mkdir(dir+"/mail", 0o700); err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir+"/mail", uid, gid); err != nil {
		t.Fatal(err)
	}
	return u.Username, g.Name
}

// dial opens a session; withCert presents the client certificate.
func (d *dovecot) dial(t *testing.T, withCert bool) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	config := d.tls.Clone()
	if withCert {
		config.Certificates = []tls.Certificate{d.cert}
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+strconv.Itoa(d.port), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	if line := readLine(t, r); !strings.HasPrefix(line, "+OK") {
		t.Fatal(line)
	}
	return conn, r
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(line, "\r\n")
}

// channel is what a mechanism learns of the session.
func (d *dovecot) channel(conn *tls.Conn) sasl.Channel {
	state := conn.ConnectionState()
	return sasl.Channel{Host: "localhost", Port: d.port, TLS: &state, Offered: []string{"PLAIN", "SCRAM-SHA-256"}}
}

// auth runs the exchange as RFC 5034 says and returns the server's last line and
// the error of a step of ours.
func auth(t *testing.T, conn net.Conn, r *bufio.Reader, m sasl.Mechanism) (last string, err error) {
	t.Helper()
	name, initial, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	send := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	if initial != nil && len(initial) == 0 {
		send("AUTH " + name + " =")
	} else {
		send("AUTH " + name)
	}
	for range 10 {
		line := readLine(t, r)
		rest, more := strings.CutPrefix(line, "+ ")
		if !more {
			return line, nil
		}
		challenge, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			t.Fatal(err)
		}
		answer := initial
		if len(initial) > 0 {
			initial = nil
		} else if answer, err = m.Next(challenge); err != nil {
			send("*")
			return readLine(t, r), err
		}
		send(base64.StdEncoding.EncodeToString(answer))
	}
	t.Fatal("the exchange does not end")
	return "", nil
}

// mustLogin wants success, seen by both sides, and a session that works.
func mustLogin(t *testing.T, conn net.Conn, r *bufio.Reader, m sasl.Mechanism) {
	t.Helper()
	last, err := auth(t, conn, r, m)
	if err != nil || !strings.HasPrefix(last, "+OK") {
		t.Fatalf("%s, %v", last, err)
	}
	if c, ok := m.(sasl.Completer); ok {
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(conn, "STAT\r\nQUIT\r\n")
	if line := readLine(t, r); !strings.HasPrefix(line, "+OK 0 0") {
		t.Fatal(line)
	}
}
