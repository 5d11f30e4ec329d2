package pop3

import (
	"net"

	"golang.org/x/sys/unix"
)

// setReceiveLowWater makes a connection readable only with n octets, or at its
// end (SO_RCVLOWAT, socket(7)).
func setReceiveLowWater(conn *net.TCPConn, n int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n)
	})
	if err != nil {
		return err
	}
	return serr
}
