package pop3

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck acknowledges what was received and not yet acknowledged (tcp(7)).
// It holds for a moment only: the kernel goes back to delays by itself. An error
// costs time and nothing else.
func quickAck(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
