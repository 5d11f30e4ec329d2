//go:build unix

package realtest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// CyrusIMAP starts Debian's cyrus-imapd 3.6.1. It has MULTIAPPEND, LITERAL+ and UIDPLUS,
// and turns 8-bit bytes in header fields into X. The lines of more are added to
// imapd.conf.
func CyrusIMAP(t pop3test.TB, more string) *Mailbox {
	t.Helper()
	c := &cyrus{t: t, dir: shortDir(t), packages: unpacked(t, "cyrus-imapd"), quota: "0"}
	c.imap(more)
	daemon(t, c.path("log"), c.env(), c.program("master"), "-C", c.path("imapd.conf"), "-M", c.path("cyrus.conf"), "-p", c.path("pid"))
	await(t, "cyrus", func() bool { return greetsIMAP(at(c.port)) })
	return &Mailbox{Addr: at(c.port), TLSAddr: at(c.tlsPort), CA: c.ca, Dir: c.dir, Kept: c.keptIn}
}

// imap prepares it for IMAP in place of POP3.
func (c *cyrus) imap(more string) {
	c.t.Helper()
	c.prepare()
	services := strings.NewReplacer("/pop3d", "/imapd", " pop3 ", " imap ", " pop3s ", " imaps ").Replace(c.services())
	conf := strings.NewReplacer("munge8bit: no\n", "").Replace(c.config()) + "unixhierarchysep: yes\naltnamespace: no\n" + more
	err := os.WriteFile(c.path("cyrus.conf"), []byte(services), 0o644)
	if err == nil {
		err = os.WriteFile(c.path("imapd.conf"), []byte(conf), 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// keptIn reads the spool of a mailbox.
func (c *cyrus) keptIn(mailbox string) (out [][]byte) {
	c.t.Helper()
	below := strings.TrimPrefix(strings.TrimPrefix(mailbox, "INBOX"), "/")
	patterns := []string{"spool/user/alice", "spool/*/user/alice"}
	if below == "" { // by a number of its own: only if there is no other mailbox
		patterns = append(patterns, "spool/uuid/*/*/*")
	}
	for _, pattern := range patterns {
		names, _ := filepath.Glob(filepath.Join(c.path(pattern), below, "[0-9]*."))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				c.t.Fatal(err)
			}
			out = append(out, lf(text))
		}
	}
	return out
}

// greetsIMAP reports whether an IMAP server greets.
func greetsIMAP(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 4)
	_, err = io.ReadFull(conn, b)
	return err == nil && string(b) == "* OK"
}

const courierIMAPEnv = `TCPREMOTEIP=127.0.0.1 TCPREMOTEPORT=1 TCPLOCALIP=127.0.0.1 TCPLOCALPORT=143 MAILDIRPATH=Maildir ` +
	`IMAP_KEYWORDS=1 IMAP_ACL=0 IMAP_CHECK_ALL_FOLDERS=0 IMAP_EMPTYTRASH= IMAP_TRASHFOLDERNAME=Trash IMAP_MOVE_EXPUNGE_TO_TRASH=0 ` +
	`IMAP_USELOCKS=0 IMAP_ENHANCEDIDLE=0 IMAP_MAILBOX_SANITY_CHECK=0 AUTHMODULELIST=authpam`

// CourierIMAP starts Debian's courier-imap 5.0.13 over a Maildir. It has UIDPLUS, but
// neither LITERAL+ nor MULTIAPPEND, and puts all below "INBOX.". Its locks are off, which
// take a second each without its FAM daemon: one session at a time may write. It needs
// root.
func CourierIMAP(t pop3test.TB) *Mailbox {
	t.Helper()
	const login, auth = "/usr/lib/courier/courier/imaplogin", "/usr/lib/courier/courier-authlib/authdaemond"
	c := newChroot(t, unpacked(t, "courier-imap"))
	c.add(login, "/usr/bin/imapd", auth, "/usr/lib/courier-authlib/libauthpam.so.0")
	c.users("/home", "imap", "daemon", "courier")
	c.mkdir(0o755, "etc/courier", "run/courier/authdaemon", "home")
	c.write("etc/courier/authdaemonrc", courierAuth)
	b := newBox(t, c.path("home/Maildir"))
	daemon(t, c.path("log"), nil, c.command([]string{"authmodulelist=authpam", "authmodulelistorig=authpam",
		"daemons=2", "authdaemonvar=/run/courier/authdaemon"}, auth)...)
	socket := c.path("run/courier/authdaemon/socket")
	await(t, "authdaemond", func() bool { return exists(socket) })
	env := append(strings.Fields(courierIMAPEnv), `IMAP_CAPABILITY=IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT SORT QUOTA IDLE`)
	d := startInetd(t, c.command(env, login, "/usr/bin/imapd", "Maildir")...)
	return &Mailbox{Addr: d.addr, Dir: b.dir, Kept: func(mailbox string) [][]byte { return KeptInMaildir(t, b.dir, mailbox) }}
}
