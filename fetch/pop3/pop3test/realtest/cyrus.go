//go:build unix

package realtest

import (
	"bytes"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// cyrus is a private Cyrus IMAP 3.6 of which only POP3 and LMTP run.
type cyrus struct {
	t             pop3test.TB
	dir, packages string
	port, tlsPort int
	lmtpPort      int // wants a login
	ca            string
	quota         string
}

// Cyrus starts Debian's cyrus-pop3d 3.6.1 with TLS. Messages go in by LMTP,
// where it puts its own Return-Path, Received, X-Cyrus-Session-Id and X-Sieve
// before each in place of the Return-Path that it had, and keeps the rest. It
// announces SCRAM-SHA-256-PLUS, but binds it to tls-unique only.
func Cyrus(t pop3test.TB) *Server {
	t.Helper()
	c := startCyrus(t, "0")
	return &Server{Account: tlsAccount(c.tlsPort, c.ca), Add: c.add, Kept: c.kept}
}

// startCyrus starts it; quota is in KiB, "0" is none.
func startCyrus(t pop3test.TB, quota string) *cyrus {
	t.Helper()
	c := &cyrus{t: t, dir: shortDir(t), packages: unpacked(t, "cyrus-pop3d"), quota: quota}
	c.prepare()
	daemon(t, c.path("log"), c.env(), c.program("master"), "-C", c.path("imapd.conf"), "-M", c.path("cyrus.conf"), "-p", c.path("pid"))
	await(t, "cyrus", func() bool { return exists(c.socket()) && greets(c.port) })
	return c
}

func (c *cyrus) path(name string) string { return filepath.Join(c.dir, name) }
func (c *cyrus) program(name string) string {
	return filepath.Join(c.packages, "usr/lib/cyrus/bin", name)
}
func (c *cyrus) socket() string { return c.path("conf/socket/lmtp") }

func (c *cyrus) env() []string {
	plugins, _ := filepath.Glob(filepath.Join(c.packages, "usr/lib/*/sasl2"))
	installed, _ := filepath.Glob("/usr/lib/*/sasl2")
	return []string{"LD_LIBRARY_PATH=" + libraryDirs(c.packages), "SASL_PATH=" + strings.Join(append(installed, plugins...), ":")}
}

// prepare writes all but the mail.
func (c *cyrus) prepare() {
	c.t.Helper()
	ports, err := pop3test.FreePorts(3)
	if err != nil {
		c.t.Fatal(err)
	}
	c.port, c.tlsPort, c.lmtpPort = ports[0], ports[1], ports[2]
	ca := pop3test.NewCA()
	if c.ca, err = ca.WriteRoot(c.dir); err == nil {
		_, _, err = pop3test.WritePEM(c.dir, "server", ca.Leaf("localhost", "127.0.0.1"))
	}
	for _, name := range []string{"conf/socket", "conf/proc", "conf/db", "conf/user", "conf/lock", "spool"} {
		if err == nil {
			err = os.MkdirAll(c.path(name), 0o755)
		}
	}
	if err == nil {
		err = os.WriteFile(c.path("imapd.conf"), []byte(c.config()), 0o644)
	}
	if err == nil {
		err = os.WriteFile(c.path("cyrus.conf"), []byte(c.services()), 0o644)
	}
	if err == nil {
		err = c.addUser()
	}
	if err == nil {
		err = own(c.dir)
	}
	if err != nil {
		c.t.Fatalf("cyrus: %v", err)
	}
}

func (c *cyrus) config() string {
	user, group := ownerNames(c.t)
	return strings.NewReplacer("DIR", c.dir, "QUOTA", c.quota, "USER", user, "GROUP", group).Replace(cyrusConfig)
}

const cyrusConfig = `configdirectory: DIR/conf
defaultpartition: default
partition-default: DIR/spool
cyrus_user: USER
cyrus_group: GROUP
servername: localhost
allowplaintext: yes
autocreate_quota: QUOTA
autocreate_post: yes
munge8bit: no
reject8bit: no
duplicatesuppression: no
expunge_mode: immediate
delete_mode: immediate
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: DIR/sasldb
sasl_mech_list: PLAIN SCRAM-SHA-256
tls_server_cert: DIR/server.pem
tls_server_key: DIR/server.key
lmtpsocket: DIR/conf/socket/lmtp
lmtp_admins: alice
`

func (c *cyrus) services() string {
	conf := c.path("imapd.conf")
	return fmt.Sprintf(`START {
}
SERVICES {
 pop3 cmd="%[1]s -C %[2]s" listen="127.0.0.1:%[3]d" prefork=0
 pop3s cmd="%[1]s -s -C %[2]s" listen="127.0.0.1:%[4]d" prefork=0
 lmtp cmd="%[5]s -C %[2]s" listen="127.0.0.1:%[7]d" prefork=0
 lmtpunix cmd="%[5]s -a -C %[2]s" listen="%[6]s" prefork=0
}
EVENTS {
}
`, c.program("pop3d"), conf, c.port, c.tlsPort, c.program("lmtpd"), c.socket(), c.lmtpPort)
}

func (c *cyrus) addUser() error {
	cmd := exec.Command(filepath.Join(c.packages, "usr/sbin/saslpasswd2"), "-p", "-c", "-f", c.path("sasldb"), "-u", "localhost", "alice")
	cmd.Env = append(os.Environ(), c.env()...)
	cmd.Stdin = strings.NewReader(Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("saslpasswd2: %w\n%s", err, out)
	}
	return nil
}

// add delivers by LMTP (RFC 2033).
func (c *cyrus) add(messages [][]byte) {
	c.t.Helper()
	conn, err := textproto.Dial("unix", c.socket())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	want := func(code int, command string) {
		c.t.Helper()
		if command != "" {
			err = conn.PrintfLine("%s", command)
		}
		if err == nil {
			_, _, err = conn.ReadResponse(code)
		}
		if err != nil {
			c.t.Fatalf("cyrus: lmtp: %.40s: %v", command, err)
		}
	}
	want(220, "")
	want(250, "LHLO localhost")
	for _, m := range messages {
		want(250, "MAIL FROM:<>")
		want(250, "RCPT TO:<alice>")
		want(354, "DATA")
		w := conn.DotWriter()
		if _, err = w.Write(m); err == nil {
			err = w.Close()
		}
		want(250, "")
	}
	want(221, "QUIT")
}

// kept reads the spool, where each message is a file NUMBER. with CRLF lines.
func (c *cyrus) kept() (out [][]byte) {
	c.t.Helper()
	names, _ := filepath.Glob(c.path("spool/*/user/alice/[0-9]*."))
	for _, pattern := range []string{"spool/user/alice/[0-9]*.", "spool/uuid/*/*/*/[0-9]*."} {
		more, _ := filepath.Glob(c.path(pattern))
		names = append(names, more...)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, bytes.Clone(data))
	}
	return out
}
