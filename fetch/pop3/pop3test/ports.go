package pop3test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePorts returns n ports of 127.0.0.1 for servers that are started later.
// They are outside of what systems give to those who ask for any port (RFC
// 6335 6: from 49152; Linux: from 32768), so that nobody is given one
// meanwhile.
func FreePorts(n int) (ports []int, err error) {
	const first, count, tries = 20000, 10000, 100
	for range n + tries {
		port := first + rand.IntN(count)
		l, lerr := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if lerr != nil {
			err = lerr
			continue
		}
		defer l.Close() // all are held until the last is known
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no free port from %d to %d: %w", first, first+count-1, err)
}

// ClosedAddr returns an address of 127.0.0.1 that refuses connections. It
// does until release: a connection from before keeps the port from being given
// to anybody.
func ClosedAddr() (addr string, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return "", nil, err
	}
	in, err := l.Accept()
	if err != nil {
		out.Close()
		return "", nil, err
	}
	l.Close()
	for { // a child that is just being started has the listener until its exec
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return l.Addr().String(), func() { out.Close(); in.Close() }, nil
		}
		conn.Close()
	}
}
