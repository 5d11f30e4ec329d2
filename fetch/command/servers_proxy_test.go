package command

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
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

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) (addr string) {
	t.Helper()
	addr, release, err := pop3test.ClosedAddr()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
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

// socksServer is a SOCKS5 proxy (RFC 1928, RFC 1929) that leads everything to
// one address; asked is told which name the client wanted.
func socksServer(t *testing.T, target string, asked func(string)) (addr string) {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil || head[0] != 5 {
			return
		}
		methods := make([]byte, head[1])
		if _, err := io.ReadFull(conn, methods); err != nil {
			return
		}
		if !strings.Contains(string(methods), "\x02") {
			_, _ = conn.Write([]byte{5, 0xff})
			return
		}
		_, _ = conn.Write([]byte{5, 2})
		if user, pass := socksString(conn, 1), socksString(conn, 0); user != "bob" || pass != "proxy-secret" {
			_, _ = conn.Write([]byte{1, 1})
			return
		}
		_, _ = conn.Write([]byte{1, 0})
		req := make([]byte, 4)
		if _, err := io.ReadFull(conn, req); err != nil || req[1] != 1 || req[3] != 3 {
			return // not CONNECT to a name: the name would have been resolved here
		}
		host := socksString(conn, 0)
		port := make([]byte, 2)
		_, _ = io.ReadFull(conn, port)
		asked(net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))))
		out, err := net.Dial("tcp", target)
		if err != nil {
			_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		join(conn, out, conn)
	})
}

// socksString reads skip octets and a string after its length.
func socksString(r io.Reader, skip int) string {
	b := make([]byte, skip+1)
	if _, err := io.ReadFull(r, b); err != nil {
		return ""
	}
	s := make([]byte, b[skip])
	_, _ = io.ReadFull(r, s)
	return string(s)
}

func TestProxies(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, dropOf(letters(5)), o)
	remote := []string{"server: pop.example.org:110", "tls: none", "insecure: true", secret}
	var mu sync.Mutex
	var name string
	socks := socksServer(t, s.Addr(), func(n string) { mu.Lock(); name = n; mu.Unlock() })
	dead := listen(t, func(net.Conn) {})
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	proxy := func(kind, addr, password string) string {
		return fmt.Sprintf("proxy: {url: \"%s://%s\", user: bob, password: %s}", kind, addr, password)
	}
	for _, tt := range []struct {
		name, proxy string
		exit        int
		says        string
	}{
		{"socks5", proxy("socks5", socks, "proxy-secret"), 0, ""},
		{"socks5 wrong password", proxy("socks5", socks, "wrong-secret"), 69, "through proxy " + socks},
		{"socks5 closes", "proxy: socks5://" + dead, 69, "through proxy " + dead},
		{"socks5 silent", "proxy: socks5://" + silent + "\n" + impatient, 69, "no answer in time"},
		{"connect", "proxy: http://" + connectProxy(t, s.Addr()), 0, ""},
		{"connect with password", proxy("http", connectProxy(t, s.Addr()), "proxy-secret"), 0, ""},
		{"connect wrong password", proxy("http", connectProxy(t, s.Addr()), "wrong-secret"), 69, "407 Proxy Authentication Required"},
		{"connect bad gateway", "proxy: http://" + connectProxy(t, closedPort(t)), 69, "502 Bad Gateway"},
		{"connect closes", "proxy: http://" + dead, 69, "through proxy " + dead},
		{"connect silent", "proxy: http://" + silent + "\n" + impatient, 69, "no answer in time"},
		{"no proxy there", "proxy: http://" + closedPort(t), 69, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.account(append(remote, tt.proxy)...)
			out := l.run("fetch")
			l.want(out, tt.exit, tt.says)
			if strings.Contains(out.err, "-secret") {
				t.Errorf("the proxy's password is shown: %s", out)
			}
			if tt.exit == 0 {
				l.wantMail(letters(5))
			}
		})
	}
	if name != "pop.example.org:110" {
		t.Errorf("the proxy was asked for %q", name)
	}
}

func TestTunnel(t *testing.T) {
	t.Parallel()
	pop3test.Require(t, "socat")
	for _, security := range []pop3test.Security{pop3test.Plain, pop3test.STLS, pop3test.ImplicitTLS} {
		o := pop3test.Options{Security: security}
		s := serve(t, dropOf(letters(5)), o)
		l := newLab(t)
		l.account(append(l.to(s, o), secret, `tunnel: [socat, STDIO, "TCP:%h:%p"]`)...)
		l.want(l.run("fetch"), 0)
		l.wantMail(letters(5))
	}
	for _, tt := range []struct{ name, command, says string }{
		{"complains", `[sh, -c, "echo no route to gateway >&2; exit 1"]`, "no route to gateway"},
		{"ends", `["true"]`, "closed the connection"},
		{"not there", `[no-such-program]`, "no-such-program"},
		{"silent", `[sleep, "60"]`, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.account("server: pop.example.org", "tls: none", secret, impatient, "tunnel: "+tt.command)
			out := l.run("fetch")
			l.want(out, 69, tt.says)
			if out.took > 10*time.Second {
				t.Errorf("took %s", out.took)
			}
		})
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	from := ""
	l := newLab(t)
	addr := listen(t, func(c net.Conn) {
		mu.Lock()
		from, _, _ = net.SplitHostPort(c.RemoteAddr().String())
		mu.Unlock()
		fmt.Fprint(c, "-ERR [SYS/TEMP] later\r\n")
	})
	l.account("server: "+addr, "tls: none", secret, "bind: 127.0.0.2")
	l.want(l.run("fetch"), 75, "later")
	mu.Lock()
	defer mu.Unlock()
	if from != "127.0.0.2" {
		t.Errorf("connected from %s", from)
	}
	l.account("server: "+addr, "tls: none", secret, "bind: 192.0.2.1")
	l.want(l.run("fetch"), 69, "connect "+addr)
}

// TestHappyEyeballs: localhost is ::1 and 127.0.0.1, and the server has one of
// them only.
func TestHappyEyeballs(t *testing.T) {
	t.Parallel()
	ips, err := net.LookupHost("localhost")
	if err != nil || len(ips) < 2 {
		t.Skipf("localhost has not two addresses: %v %v", ips, err)
	}
	o := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, dropOf(letters(5)), o)
	l := newLab(t)
	l.account(fmt.Sprintf("server: localhost:%d", s.Port), "tls: none", secret)
	l.want(l.run("fetch"), 0)
	// One that is taken on 127.0.0.1: nobody else's localhost is meant.
	_, port, _ := net.SplitHostPort(closedPort(t))
	l6, err := net.Listen("tcp", "[::1]:"+port)
	if err != nil {
		t.Skipf("no IPv6: %v", err)
	}
	defer l6.Close()
	go func() {
		conn, err := l6.Accept()
		if err == nil {
			s.ServeConn(conn)
		}
	}()
	six := newLab(t)
	six.account("server: localhost:"+port, "tls: none", secret)
	six.want(six.run("fetch"), 0)
	six.wantMail(letters(5))
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain, Delay: 300 * time.Millisecond}
	l := newLab(t)
	l.account(append(l.to(serve(t, dropOf(letters(5)), o), o), secret, "timeouts: {session: 1s}")...)
	out := l.run("fetch")
	l.want(out, 69, "the session took longer than allowed")
	if out.took > 5*time.Second {
		t.Errorf("took %s", out.took)
	}
	l.account("server: "+closedPort(t), "tls: none", secret)
	l.want(l.run("fetch"), 69, "connection refused", "nothing listens on that port")
	l.account("server: no-such-host.invalid", "insecure: true", secret)
	l.want(l.run("fetch"), 69, "name cannot be resolved", "The server's name does not exist")
}

func TestBeforeAndAfter(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, dropOf(letters(5)), o)
	l := newLab(t)
	after := fmt.Sprintf("after: [sh, -c, 'echo $MAILHAUL_ACCOUNT $MAILHAUL_EXIT $MAILHAUL_FETCHED >>%s']", l.path("after"))
	before := fmt.Sprintf("before: [sh, -c, 'echo $MAILHAUL_ACCOUNT >>%s; echo printed']", l.path("before"))
	l.account(append(l.to(s, o), secret, before, after)...)
	out := l.run("fetch")
	l.want(out, 0)
	if strings.Contains(out.err+out.out, "printed") {
		t.Errorf("the output of before is shown: %s", out)
	}
	l.want(l.run("fetch"), 0)
	connections := s.Connections()
	l.account(append(l.to(s, o), secret, `before: [sh, -c, 'printf "VPN is down\033" >&2; exit 3']`, after)...)
	l.want(l.run("fetch"), 75, "before: sh: exit status 3: VPN is down", "hint: The account's `before` command has to end with 0")
	l.account(append(l.to(s, o), secret, "before: [/no/such/program]", after)...)
	l.want(l.run("fetch"), 75, "before: /no/such/program: ", "no such file")
	if s.Connections() != connections {
		t.Error("the server was called in spite of before")
	}
	l.account(append(l.to(s, o), "password: wrong", after)...)
	l.want(l.run("fetch"), 77)
	l.account(append(l.to(s, o), secret, "after: [sh, -c, 'echo sad >&2; exit 1']")...)
	l.want(l.run("fetch"), 0, "the command after the run failed, which changes nothing for the mail: sh: exit status 1: sad")
	for name, want := range map[string]string{"before": "lab\nlab\n", "after": "lab 0 5\nlab 0 0\nlab 75 0\nlab 75 0\nlab 77 0\n"} {
		if got, _ := os.ReadFile(l.path(name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	l.wantMail(letters(5))
}

func TestLang(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain, Capa: []string{"USER", "UIDL", "TOP", "LANG"}}
	s := serve(t, dropOf(letters(5)), o)
	l := newLab(t)
	l.account(append(l.to(s, o), secret, "lang: de")...)
	l.want(l.run("fetch"), 0)
	if s.Count("LANG de") != 1 {
		t.Errorf("LANG was not sent: %v", s.Commands())
	}
}
