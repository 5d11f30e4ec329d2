package pop3test

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestClosedAddr(t *testing.T) {
	addr, release, err := ClosedAddr()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled %v, %v", conn, err)
	}
	for range 20000 { // more often than there are ports
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		given := l.Addr().String()
		l.Close()
		if given == addr {
			t.Fatal("the port was given to somebody else")
		}
	}
}

func TestFreePorts(t *testing.T) {
	ports, err := FreePorts(300)
	if err != nil || len(ports) != 300 {
		t.Fatal(len(ports), err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p < 20000 || p >= 30000 || seen[p] {
			t.Errorf("port %d", p)
		}
		seen[p] = true
	}
}
