package pop3

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// setReceiveLowWater makes a connection readable only with n octets, or at its
// end (SO_RCVLOWAT, socket(7)).
func setReceiveLowWater(conn *net.TCPConn, n int) error {
	return setOption(conn, unix.SOL_SOCKET, unix.SO_RCVLOWAT, n)
}

// quickAck acknowledges what was received and not yet acknowledged (tcp(7)).
// It holds for a moment only: the kernel goes back to delays by itself. An error
// costs time and nothing else.
func quickAck(conn *net.TCPConn) { _ = setOption(conn, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

func setOption(conn *net.TCPConn, level, option, value int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(err, serr)
}
