//go:build !unix

package route

import (
	"errors"
	"net"
	"os"
)

// socketPair is not available here.
func socketPair() (net.Conn, *os.File, error) {
	return nil, nil, errors.New("tunnel commands are not supported on this system")
}
