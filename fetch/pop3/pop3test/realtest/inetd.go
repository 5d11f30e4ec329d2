//go:build unix

package realtest

import (
	"net"
	"os"
	"os/exec"
	"sync"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// inetd starts a command for each connection, as its standard input and
// output, and ends with the test.
type inetd struct {
	addr     string
	listener net.Listener
	mu       sync.Mutex
	sessions sync.WaitGroup
}

func startInetd(t pop3test.TB, command ...string) *inetd {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &inetd{addr: ln.Addr().String(), listener: ln}
	done := make(chan struct{})
	go func() { defer close(done); d.serve(command) }()
	t.Cleanup(func() {
		ln.Close()
		<-done
		d.idle()
	})
	return d
}

func (d *inetd) serve(command []string) {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		file, err := conn.(*net.TCPConn).File()
		conn.Close()
		if err != nil {
			continue
		}
		d.mu.Lock()
		d.sessions.Go(func() { serveOne(file, command) })
		d.mu.Unlock()
	}
}

func serveOne(conn *os.File, command []string) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout = conn, conn
	err := cmd.Start()
	conn.Close()
	if err == nil {
		_ = cmd.Wait() // how it ends is seen by the client
	}
}

// idle waits until no session is left.
func (d *inetd) idle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions.Wait()
}

// account are the lines of an account at it.
func (d *inetd) account(more ...string) []string {
	return append([]string{"server: " + d.addr, "tls: none", "password: " + Password}, more...)
}
