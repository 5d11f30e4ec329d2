//go:build unix

package realtest

import "github.com/mailhaul/mailhaul/fetch/pop3/pop3test"

const courierAuth = `authmodulelist="authpam"
authmodulelistorig="authpam"
daemons=2
authdaemonvar=/run/courier/authdaemon
`

// Courier starts Debian's courier-pop 1.0.16 with its login program and its
// authentication daemon, over a Maildir. It announces UTF8 and a LOGIN-DELAY
// of 10 s; without the command UTF8 it sends a notice in place of a message
// with 8-bit header fields. It needs root, for a root directory of its own.
func Courier(t pop3test.TB) *Server {
	t.Helper()
	const lib, auth = "/usr/lib/courier/courier/", "/usr/lib/courier/courier-authlib/authdaemond"
	c := newChroot(t, unpacked(t, "courier-pop"))
	c.add(lib+"courierpop3login", lib+"courierpop3d", auth, "/usr/lib/courier-authlib/libauthpam.so.0")
	c.users("/home", "pop3", "daemon", "courier")
	c.mkdir(0o755, "etc/courier", "run/courier/authdaemon", "home")
	c.write("etc/courier/authdaemonrc", courierAuth)
	b := newBox(t, c.path("home/Maildir"))
	daemon(t, c.path("log"), nil, c.command([]string{"authmodulelist=authpam", "authmodulelistorig=authpam",
		"daemons=2", "authdaemonvar=/run/courier/authdaemon"}, auth)...)
	socket := c.path("run/courier/authdaemon/socket")
	await(t, "authdaemond", func() bool { return exists(socket) })
	d := startInetd(t, c.command([]string{"TCPREMOTEIP=127.0.0.1", "TCPREMOTEPORT=1", "TCPLOCALIP=127.0.0.1", "TCPLOCALPORT=110",
		"MAILDIRPATH=Maildir", "MIME_UNICODE_MESSAGE_TYPE=message/global", "POP3AUTH=PLAIN LOGIN"},
		lib+"courierpop3login", lib+"courierpop3d", "Maildir")...)
	return &Server{Account: d.account(), Add: b.add, Kept: b.kept, Idle: d.idle}
}
