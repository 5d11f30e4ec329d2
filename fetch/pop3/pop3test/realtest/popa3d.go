//go:build unix

package realtest

import "github.com/mailhaul/mailhaul/fetch/pop3/pop3test"

// Popa3d starts Debian's popa3d 1.0.3 over an mbox. It has neither CAPA nor
// PIPELINING, and its unique-ids are a hash of the header. It needs root, for
// a root directory of its own and its users.
func Popa3d(t pop3test.TB) *Server {
	t.Helper()
	c := newChroot(t, unpacked(t, "popa3d"))
	c.add("/usr/sbin/popa3d")
	c.users("/", "popa3d", "popa3d")
	c.mkdir(0o755, "var/lib/popa3d", "var/mail")
	if err := own(c.path("var/mail")); err != nil {
		t.Fatal(err)
	}
	m := mbox{t, c.path("var/mail/alice")}
	d := startInetd(t, c.command(nil, "/usr/sbin/popa3d")...)
	return &Server{Account: d.account(), Add: m.add, Kept: m.kept, Idle: d.idle}
}
