//go:build unix

package realtest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// tlsAccount are the lines of an account with implicit TLS.
func tlsAccount(port int, ca string) []string {
	return []string{fmt.Sprintf("server: localhost:%d", port), "ca_file: " + ca, "password: " + Password}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// greets reports whether a POP3 server greets on a port.
func greets(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 3)
	_, err = io.ReadFull(conn, b)
	return err == nil && string(b) == "+OK"
}

// ownerNames are the names of the user and the group whom the mail belongs to.
func ownerNames(t pop3test.TB) (name, group string) {
	t.Helper()
	uid, gid := mailOwner()
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		missing(t, err.Error())
	}
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		missing(t, err.Error())
	}
	return u.Username, g.Name
}
