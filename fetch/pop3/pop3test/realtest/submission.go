//go:build unix

package realtest

import (
	"fmt"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Submission are lines of Dovecot's configuration: submission on a port of 127.0.0.1,
// which passes its mail on to relay.
func Submission(t pop3test.TB, port int, relay string) string {
	t.Helper()
	if _, err := os.Stat("/usr/lib/dovecot/submission"); err != nil {
		missing(t, "dovecot-submissiond is not installed")
	}
	host, relayPort, _ := strings.Cut(relay, ":")
	chroot := ""
	if os.Getuid() != 0 {
		chroot = " chroot =\n"
	}
	return fmt.Sprintf(`
protocols = $protocols submission
service submission-login {
 inet_listener submission {
  address = 127.0.0.1
  port = %d
 }
 client_limit = 1000
%s}
submission_relay_host = %s
submission_relay_port = %s
hostname = localhost
`, port, chroot, host, relayPort)
}
