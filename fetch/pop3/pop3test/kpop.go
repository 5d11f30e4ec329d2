package pop3test

import (
	_ "embed"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed testdata/kpop.c
var kpopSource string

// KPOP is a server behind the KPOP exchange, whose Kerberos side is MIT's library.
type KPOP struct {
	Port int

	t        testing.TB
	listener net.Listener
	server   *Server
	cmd      func() *exec.Cmd
	mu       sync.Mutex
	said     []string
}

// StartKPOP puts the exchange before a server without TLS, with a clock that is ahead.
// It skips or fails the test, as Require does, if the library or a compiler of C is
// missing.
func StartKPOP(t testing.TB, kdc *KDC, server *Server, ahead time.Duration) *KPOP {
	t.Helper()
	cc := Require(t, "cc")
	Require(t, "krb5-config") // comes with krb5.h
	dir := t.TempDir()
	program, source := filepath.Join(dir, "kpop"), filepath.Join(dir, "kpop.c")
	if err := os.WriteFile(source, []byte(kpopSource), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-Wall", "-o", program, source, "-lkrb5").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &KPOP{Port: l.Addr().(*net.TCPAddr).Port, t: t, listener: l, server: server}
	k.cmd = func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Env = append(kdc.env, "KRB5_KTNAME="+kdc.Keytab, "KRB5RCACHENAME=file2:"+filepath.Join(dir, "rcache"), "LC_ALL=C",
			"KPOP_AHEAD="+strconv.Itoa(int(ahead.Seconds())))
		return cmd
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { k.serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); done.Wait() })
	return k
}

// Said is what the exchanges came to: the client's principal, or what was wrong.
func (k *KPOP) Said() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.said...)
}

func (k *KPOP) serve(c *net.TCPConn) {
	f, err := c.File()
	c.Close()
	if err != nil {
		return
	}
	defer f.Close()
	cmd := k.cmd()
	cmd.Stdin = f
	out, err := cmd.CombinedOutput()
	k.mu.Lock()
	k.said = append(k.said, strings.TrimSpace(string(out)))
	k.mu.Unlock()
	if err != nil {
		return
	}
	if again, err := net.FileConn(f); err == nil {
		k.server.ServeConn(again)
	}
}
