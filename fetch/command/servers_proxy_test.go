package command

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// listen calls serve for each connection to a loopback port, and ends with the
// test.
func listen(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// join copies between two connections until one ends.
func join(a, b net.Conn, early io.Reader) {
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(b, early); b.Close(); a.Close() }()
	_, _ = io.Copy(a, b)
	a.Close()
	b.Close()
	<-done
}

// connectProxy is an HTTP proxy that leads all of CONNECT to one address. It
// sends what the server says first in one piece with its own answer.
func connectProxy(t *testing.T, target string) (addr string) {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		req, err := http.ReadRequest(br)
		if err != nil || req.Method != http.MethodConnect {
			return
		}
		if user, pass, ok := basicAuth(req); ok && (user != "bob" || pass != "proxy-secret") {
			fmt.Fprint(conn, "HTTP/1.1 407 Proxy Authentication Required\x1b[31m\r\nContent-Length: 0\r\n\r\n")
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			fmt.Fprint(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n")
		join(conn, out, br)
	})
}

func basicAuth(req *http.Request) (user, pass string, ok bool) {
	r := http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}
	return r.BasicAuth()
}
