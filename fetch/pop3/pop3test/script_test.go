package pop3test_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// recorder takes the place of a test that is expected to fail.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Cleanup(fn func()) { r.cleanups = append(r.cleanups, fn) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, strings.TrimSpace(format))
	for _, a := range args {
		if err, ok := a.(error); ok {
			r.errors = append(r.errors, err.Error())
		}
	}
}

func (r *recorder) finish() string {
	for _, fn := range r.cleanups {
		fn()
	}
	return strings.Join(r.errors, " ")
}

func TestScript(t *testing.T) {
	tests := []struct {
		name, script, send, want, fails string
	}{
		{"good", "S: +OK hi\nC: QUIT\n# remark\n\nS\"+OK\\r\\nbye\"\nS! close", "QUIT\r\n", "+OK hi\r\n+OK\r\nbye", ""},
		{"case matters", "C: QUIT\nS: +OK", "quit\r\n", "", `- C "QUIT\r\n"` + "\n" + `+ C "quit\r\n"`},
		{"line end matters", "C: QUIT", "QUIT\n", "", `+ C "QUIT\n"`},
		{"literal", `C"QUIT\n"`, "QUIT\n", "", ""},
		{"too little", "C: A\nC: B", "A\r\n", "", `C "A\r\n"`},
		{"too much", "C: A", "A\r\nB\r\n", "", `+ C "B\r\n"`},
		{"client closes", "C: A\nC! close", "A\r\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{TB: t}
			conn, err := net.Dial("tcp", pop3test.ScriptServer(r, tt.script))
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, tt.send)
			conn.(*net.TCPConn).CloseWrite()
			got, _ := io.ReadAll(conn)
			conn.Close()
			text := r.finish()
			if (tt.fails == "") != (text == "") || !strings.Contains(text, tt.fails) {
				t.Errorf("failure %q, want %q", text, tt.fails)
			}
			if tt.fails == "" && string(got) != tt.want {
				t.Errorf("received %q, want %q", got, tt.want)
			}
		})
	}
}

func TestScriptConn(t *testing.T) {
	conn := pop3test.ScriptConn(t, `
		S: +OK
		C: UIDL
		C: LIST
		S: +OK
		S: .
	`)
	defer conn.Close()
	br := bufio.NewReader(conn)
	br.ReadString('\n')
	io.WriteString(conn, "UIDL\r\nLIST\r\n")
	br.ReadString('\n')
	if s, err := br.ReadString('\n'); s != ".\r\n" {
		t.Errorf("%q, %v", s, err)
	}
}

func TestDelayProxy(t *testing.T) {
	s := pop3test.NewServer(filled(30), pop3test.Options{Security: pop3test.Plain})
	defer s.Close()
	const rtt = 30 * time.Millisecond
	p := pop3test.NewDelayProxy(s.Addr(), rtt)
	defer p.Close()
	c := dial(t, p.Addr(), nil)
	c.want("+OK")
	start := time.Now()
	c.login()
	if d := time.Since(start); d < 2*rtt {
		t.Errorf("two round trips took %v", d)
	}
	if p.Turns() != 2 {
		t.Errorf("USER and PASS were %d turns, want 2", p.Turns())
	}
	var d time.Duration
	for range 3 { // a busy machine may be too slow twice
		start = time.Now()
		for i := range 30 {
			c.send("RETR %d", i+1)
		}
		for range 30 {
			c.want("+OK")
			c.body()
		}
		if d = time.Since(start); d <= 20*rtt {
			break
		}
	}
	if d < rtt || d > 20*rtt {
		t.Errorf("30 pipelined commands took %v", d)
	}
	if p.Up() < 100 || p.Down() < 10_000 || p.Connections() != 1 {
		t.Errorf("up %d, down %d, connections %d", p.Up(), p.Down(), p.Connections())
	}
	p.CutAfter(100)
	c.send("RETR 20")
	got, _ := io.ReadAll(c.br)
	if len(got) != 100 || !bytes.HasPrefix(got, []byte("+OK")) {
		t.Errorf("%d bytes after CutAfter(100)", len(got))
	}
}
