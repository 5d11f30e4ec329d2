//go:build unix

package realtest

import (
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// CyrusLMTP starts Debian's Cyrus and fills the mailbox of alice, who may have
// 64 KiB. It returns LMTP's socket, what makes room, and what is in the mailbox.
func CyrusLMTP(t pop3test.TB) (socket string, empty func(), kept func() [][]byte) {
	t.Helper()
	c := startCyrus(t, "64")
	big := make([]byte, 0, 80<<10)
	big = append(big, "Subject: big\r\n\r\n"...)
	for len(big) < 70<<10 {
		big = append(big, "0123456789abcdef0123456789abcdef\r\n"...)
	}
	c.add([][]byte{big})
	return c.socket(), c.emptyByPOP, c.kept
}

// CyrusLMTPLogin starts Debian's Cyrus, and returns where its LMTP wants the login of
// alice, with PLAIN or SCRAM-SHA-256, and
// what is in her mailbox: one message.
func CyrusLMTPLogin(t pop3test.TB) (addr string, kept func() [][]byte) {
	t.Helper()
	c := startCyrus(t, "0")
	c.add([][]byte{[]byte("Subject: first\r\n\r\n")}) // makes the mailbox
	return at(c.lmtpPort), c.kept
}

// emptyByPOP deletes all of alice's mail as she would.
func (c *cyrus) emptyByPOP() {
	c.t.Helper()
	conn, err := textproto.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	for _, command := range []string{"", "USER alice", "PASS " + Password, "DELE 1", "QUIT"} {
		if command != "" {
			err = conn.PrintfLine("%s", command)
		}
		line := ""
		if err == nil {
			line, err = conn.ReadLine()
		}
		if err != nil || !strings.HasPrefix(line, "+OK") {
			c.t.Fatalf("cyrus: %.4s: %s %v", command, line, err)
		}
	}
}
