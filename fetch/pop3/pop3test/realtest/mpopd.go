//go:build unix

package realtest

import (
	"path/filepath"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Mpopd starts mpop's own server, over a Maildir. It has neither TOP nor
// PIPELINING.
func Mpopd(t pop3test.TB) *Server {
	t.Helper()
	program := pop3test.Require(t, "mpopd")
	b := newBox(t, filepath.Join(shortDir(t), "Maildir"))
	d := startInetd(t, program, "--inetd", "--auth=alice,echo "+Password, "--maildir="+b.dir)
	return &Server{Account: d.account("auth: password"), Add: b.add, Kept: b.kept, Idle: d.idle}
}
