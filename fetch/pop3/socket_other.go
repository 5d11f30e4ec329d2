//go:build !linux

package pop3

import (
	"errors"
	"net"
)

func setReceiveLowWater(*net.TCPConn, int) error { return errors.ErrUnsupported }

func quickAck(*net.TCPConn) {}
