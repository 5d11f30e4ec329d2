//go:build unix

package realtest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Mailbox is a running IMAP server with the user alice.
type Mailbox struct {
	// Addr is where it takes plain connections, with STARTTLS if CA is set, and TLSAddr where TLS
	// is implicit; empty: nowhere.
	Addr, TLSAddr string
	// CA is the file of the certificate that signed the server's.
	CA string
	// Kept are the messages in a mailbox ("INBOX", "Archive/2020") as the server
	// keeps them, with LF lines.
	Kept func(mailbox string) [][]byte
	// Dir is where the server keeps all.
	Dir string
	// POP3 is the same server, if it is Dovecot.
	POP3 *pop3test.Dovecot
}

// DovecotIMAP starts Dovecot 2.3 with IMAP over Maildirs. It has MULTIAPPEND, LITERAL+
// and UIDPLUS. The lines of more are added to its configuration.
func DovecotIMAP(t pop3test.TB, more string) *Mailbox {
	t.Helper()
	if _, err := os.Stat("/usr/lib/dovecot/imap"); err != nil {
		missing(t, "dovecot-imapd is not installed")
	}
	ports, err := pop3test.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(dovecotIMAP, ports[0], ports[1])
	if os.Getuid() != 0 {
		config += "service imap-login {\n chroot =\n}\n"
	}
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": Password}, Config: config + more})
	ca, err := d.CA.WriteRoot(shortDir(t))
	if err != nil {
		t.Fatal(err)
	}
	return &Mailbox{Addr: at(ports[0]), TLSAddr: at(ports[1]), CA: ca, Dir: d.Maildir("alice"), POP3: d,
		Kept: func(mailbox string) [][]byte { return KeptInMaildir(t, d.Maildir("alice"), mailbox) }}
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

const dovecotIMAP = `
protocols = pop3 imap
service imap-login {
 inet_listener imap {
  address = 127.0.0.1
  port = %d
 }
 inet_listener imaps {
  address = 127.0.0.1
  port = %d
  ssl = yes
 }
 service_count = 0
 process_min_avail = 1
 process_limit = 4
 client_limit = 1000
}
service imap {
 process_limit = 1024
}
`

// KeptInMaildir reads a mailbox of a Maildir++, whose levels a "/" separates.
func KeptInMaildir(t pop3test.TB, dir, mailbox string) (out [][]byte) {
	t.Helper()
	if mailbox != "INBOX" {
		dir = filepath.Join(dir, "."+strings.ReplaceAll(mailbox, "/", "."))
	}
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(dir, sub, "*"))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, lf(text))
		}
	}
	return out
}
