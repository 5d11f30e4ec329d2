//go:build unix

package realtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Relay is a running SMTP relay on the loopback that delivers to pat@example.org.
type Relay struct {
	// Ports are its addresses by how it behaves there: "well" and the causes
	// that a test asked for.
	Ports map[string]string
	// Delivered returns the messages that arrived for pat.
	Delivered func() [][]byte
}

// Postfix starts Debian's Postfix. causes are options of smtpd, one a line, by
// name: each has a port of its own.
func Postfix(t pop3test.TB, causes map[string]string) *Relay {
	t.Helper()
	pop3test.Require(t, "postfix")
	if os.Getuid() != 0 {
		missing(t, "Postfix needs root")
	}
	dir := shortDir(t)
	r := &Relay{Ports: ports(t, causes), Delivered: maildirOf(dir)}
	master := ""
	for name, addr := range r.Ports {
		master += addr + " inet n - n - - smtpd\n"
		for option := range strings.Lines(causes[name]) {
			master += "  -o { " + strings.TrimSpace(option) + " }\n"
		}
	}
	writeAll(t, map[string]string{
		dir + "/conf/main.cf":   strings.ReplaceAll(postfixMain, "DIR", dir),
		dir + "/conf/master.cf": master + postfixMaster,
	})
	for _, d := range []string{"queue", "data", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := own(filepath.Join(dir, "mail")); err != nil {
		t.Fatal(err)
	}
	postfix := func(args ...string) error {
		out, err := exec.Command("postfix", append([]string{"-c", dir + "/conf"}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("postfix %v: %w: %s", args, err, out)
		}
		return nil
	}
	if err := exec.Command("chown", "postfix", dir+"/data").Run(); err != nil {
		t.Fatal(err)
	}
	if err := postfix("start"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = postfix("stop")
		if t.Failed() {
			text, _ := os.ReadFile(dir + "/log")
			t.Logf("Postfix's log:\n%s", text)
		}
	})
	r.await(t)
	return r
}

const postfixMain = `compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file = DIR/log
maillog_file_prefixes = DIR
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.org
mydestination =
mynetworks = 192.0.2.1
smtpd_client_event_limit_exceptions =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = inline:{pat@example.org=pat/}
virtual_mailbox_base = DIR/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
alias_maps =
`

const postfixMaster = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// Exim starts Debian's Exim. causes are by name what comes first in the access
// control list for RCPT, or for HELO if the name is "helo": a verb, and more.
func Exim(t pop3test.TB, causes map[string]string) *Relay {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "Exim needs root")
	}
	c := newChroot(t, unpacked(t, "exim4-daemon-light")) // it wants a user of its own
	c.add("/usr/sbin/exim4")
	c.write("etc/passwd", "root:x:0:0::/:/bin/false\nDebian-exim:x:65500:65500::/:/bin/false\n")
	c.write("etc/group", "root:x:0:\nDebian-exim:x:65500:\n")
	r := &Relay{Ports: ports(t, causes), Delivered: maildirOf(c.dir)}
	c.mkdir(0o777, "mail")
	var all []string
	acl := map[bool]string{}
	for name, addr := range r.Ports {
		_, port, _ := net.SplitHostPort(addr)
		all = append(all, port)
		if verb, rest, ok := strings.Cut(causes[name], " "); ok {
			acl[name == "helo"] += fmt.Sprintf(" %s condition = ${if eq{$received_port}{%s}}\n  %s\n", verb, port, rest)
		}
	}
	// Its configuration must be where it was built to be, or it loses its rights.
	c.mkdir(0o755, "etc/exim4")
	c.write("etc/exim4/exim4.conf", strings.NewReplacer("PORTS", strings.Join(all, " : "), "HELO\n", acl[true], "RCPT\n",
		acl[false]).Replace(eximConf))
	c.mkdir(0o777, "spool")
	daemon(t, c.path("log"), nil, c.command(nil, "/usr/sbin/exim4", "-bdf")...)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(c.path("spool/mainlog"))
			t.Logf("Exim's log:\n%s", text)
		}
	})
	r.await(t)
	return r
}

const eximConf = `spool_directory = /spool
log_file_path = /spool/%slog
pid_file_path = /spool/pid
primary_hostname = relay.example.org
local_interfaces = 127.0.0.1
daemon_smtp_ports = PORTS
smtp_accept_queue_per_connection = 0
tls_advertise_hosts =
keep_environment =
host_lookup =
rfc1413_hosts =
acl_smtp_helo = acl_helo
acl_smtp_rcpt = acl_rcpt
begin acl
acl_helo:
HELO
 accept
acl_rcpt:
RCPT
 accept verify = recipient
 deny message = 5.1.1 unknown user
begin routers
pat:
 driver = accept
 local_parts = pat
 domains = example.org
 transport = file
begin transports
file:
 driver = appendfile
 directory = /mail/pat
 maildir_format
 user = Debian-exim
 directory_mode = 0755
 mode = 0644
`

// ports gives each cause, and "well", an address.
func ports(t pop3test.TB, causes map[string]string) map[string]string {
	t.Helper()
	free, err := pop3test.FreePorts(len(causes) + 1)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"well": fmt.Sprintf("127.0.0.1:%d", free[0])}
	for name := range causes {
		free = free[1:]
		out[name] = fmt.Sprintf("127.0.0.1:%d", free[0])
	}
	return out
}

func (r *Relay) await(t pop3test.TB) {
	t.Helper()
	for _, addr := range r.Ports {
		await(t, "relay", func() bool {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err != nil {
				return false
			}
			_ = c.Close()
			return true
		})
	}
}

func maildirOf(dir string) func() [][]byte {
	return func() (out [][]byte) {
		names, _ := filepath.Glob(filepath.Join(dir, "mail", "pat", "new", "*"))
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil {
				out = append(out, text)
			}
		}
		return out
	}
}

func writeAll(t pop3test.TB, files map[string]string) {
	t.Helper()
	for name, text := range files {
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
