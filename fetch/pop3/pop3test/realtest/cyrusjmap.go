//go:build unix

package realtest

import (
	"fmt"
	"net/textproto"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// JMAP is a running JMAP server with the user alice, whose mailbox IMAP shows.
type JMAP struct {
	*Mailbox
	// HTTPS is the address of its TLS, with a certificate of CA.
	HTTPS string
}

// CyrusJMAP starts Debian's cyrus-caldav 3.6.1, whose httpd has JMAP, and its imapd. The
// lines of more are added to imapd.conf.
func CyrusJMAP(t pop3test.TB, more string) *JMAP {
	t.Helper()
	c := &cyrus{t: t, dir: shortDir(t), packages: unpacked(t, "cyrus-caldav"), quota: "0"}
	c.imap("httpmodules: jmap\nconversations: yes\nmailbox_legacy_dirs: yes\n" + more)
	ports, err := pop3test.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	services, err := os.ReadFile(c.path("cyrus.conf"))
	if err == nil {
		https := fmt.Sprintf(" https cmd=\"%s -s -C %s\" listen=\"127.0.0.1:%d\" prefork=0\n", c.program("httpd"), c.path("imapd.conf"), ports[0])
		err = os.WriteFile(c.path("cyrus.conf"), []byte(strings.Replace(string(services), "SERVICES {\n", "SERVICES {\n"+https, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	daemon(t, c.path("log"), c.env(), c.program("master"), "-C", c.path("imapd.conf"), "-M", c.path("cyrus.conf"), "-p", c.path("pid"))
	await(t, "cyrus", func() bool { return greetsIMAP(at(c.port)) })
	c.firstLogin()
	return &JMAP{Mailbox: &Mailbox{Addr: at(c.port), TLSAddr: at(c.tlsPort), CA: c.ca, Dir: c.dir, Kept: c.keptIn}, HTTPS: at(ports[0])}
}

// firstLogin makes the mailbox of alice: httpd itself has no account until there is one.
func (c *cyrus) firstLogin() {
	c.t.Helper()
	conn, err := textproto.Dial("tcp", at(c.port))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	for line := ""; err == nil && !strings.HasPrefix(line, "2 "); line, err = conn.ReadLine() {
		if line == "" {
			err = conn.PrintfLine("1 LOGIN alice %s\r\n2 LOGOUT", Password)
		}
	}
	if err != nil {
		c.t.Fatalf("cyrus: %v", err)
	}
}
