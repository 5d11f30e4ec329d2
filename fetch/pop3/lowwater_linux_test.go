package pop3

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// gatherPair is a connection that gathers, and its other end.
func gatherPair(t *testing.T) (*gatherConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	c := &gatherConn{TCPConn: ours.(*net.TCPConn)}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c.gather(gatherAhead)
	if !c.on {
		t.Fatal("SO_RCVLOWAT cannot be set")
	}
	return c, theirs
}

func TestGather(t *testing.T) {
	most := 0
	for range 20 { // a busy machine may be too slow once
		c, theirs := gatherPair(t)
		go func() {
			for range 64 {
				_, _ = theirs.Write(make([]byte, gatherOctets/32))
				time.Sleep(10 * time.Microsecond)
			}
		}()
		n, err := c.Read(make([]byte, 4*gatherOctets))
		if err != nil {
			t.Fatal(err)
		}
		if most = max(most, n); most >= gatherOctets {
			return
		}
	}
	t.Errorf("no read got more than %d octets at once", most)
}

// gaveUp is a pair whose read got less than was expected.
func gaveUp(t *testing.T, buf []byte) (*gatherConn, net.Conn) {
	t.Helper()
	for range 20 { // a busy machine may be too slow once
		c, theirs := gatherPair(t)
		go func() {
			time.Sleep(gatherTime / 4) // what is here before the read is returned at once
			_, _ = theirs.Write([]byte("+OK"))
		}()
		start := time.Now()
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "+OK" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if c.on { // the data was there before the read
			continue
		}
		if d := time.Since(start); d < gatherTime {
			t.Errorf("gave up after %v", d)
		}
		return c, theirs
	}
	t.Fatal("no read waited for more")
	return nil, nil
}

// TestGatherGivesUp: less comes than was expected. What is here is returned
// soon, and the next try is a while later.
func TestGatherGivesUp(t *testing.T) {
	buf := make([]byte, gatherPause)
	c, theirs := gaveUp(t, buf)
	if c.gather(gatherAhead); c.on {
		t.Error("on again at once")
	}
	go func() { _, _ = theirs.Write(make([]byte, len(buf))) }()
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	if c.gather(gatherAhead); !c.on {
		t.Error("not on again later")
	}
	if c.gather(0); c.on {
		t.Error("on at the end")
	}
	_, _ = theirs.Write([]byte("x"))
	if n, err := c.Read(buf); n != 1 || err != nil {
		t.Errorf("off: %d octets, %v", n, err)
	}
}

// TestGatherEnds: neither a deadline nor the end of the connection is missed.
func TestGatherEnds(t *testing.T) {
	c, theirs := gatherPair(t)
	start := time.Now()
	if err := c.SetDeadline(start.Add(3 * gatherTime)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) < 3*gatherTime {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	c, theirs = gatherPair(t)
	_, _ = theirs.Write([]byte("bye"))
	_ = theirs.Close()
	if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestGatherKeepsTime: a deadline holds although there is always something to
// be read.
func TestGatherKeepsTime(t *testing.T) {
	c, theirs := gatherPair(t)
	start := time.Now()
	if err := c.SetReadDeadline(start.Add(5 * gatherTime)); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, gatherOctets)
		for err := error(nil); err == nil; {
			_, err = theirs.Write(buf)
		}
	}()
	buf := make([]byte, gatherOctets)
	for err := error(nil); err == nil; {
		if _, err = c.Read(buf); time.Since(start) > 5*time.Second {
			t.Fatal("the deadline passed and nothing happened")
		}
	}
	if d := time.Since(start); d < 5*gatherTime {
		t.Errorf("it ended after %v", d)
	}
	_ = c.Close()
}

// TestSizesTooLarge: the server's list promises what does not come.
func TestSizesTooLarge(t *testing.T) {
	conn, err := net.Dial("tcp", pop3test.ScriptServer(t, `
		S: +OK
		C: CAPA
		S: +OK
		S: PIPELINING
		S: .
		C: RETR 1
		C: RETR 2
		C: STAT
		S: +OK
		S: a
		S: .
		S: +OK
		S: b
		S: .
		S: +OK 2 2
		C! close`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(t.Context(), conn, &Server{Security: Plain})
	if err != nil {
		t.Fatal(err)
	}
	c.w.raw.(*gatherConn).pause = 0
	got := ""
	err = c.Retrieve(t.Context(), []Message{{"a", gatherAhead, 1}, {"b", gatherAhead, 2}}, func(_ Message, r io.Reader, err error) error {
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		got += string(b)
		return err
	})
	if err != nil || got != "a\r\nb\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	_ = c.Close()
}

// TestQuickAck: a reply that comes in two small writes, of which the second waits
// for the first one's acknowledgement, is there at once.
func TestQuickAck(t *testing.T) {
	const rounds = 100 // the kernel acknowledges the first few of a connection at once
	for range 3 {      // a busy machine may be too slow once
		c, theirs := gatherPair(t)
		c.gather(0)
		if err := theirs.(*net.TCPConn).SetNoDelay(false); err != nil {
			t.Fatal(err)
		}
		go func() {
			for command := make([]byte, 6); ; {
				if _, err := io.ReadFull(theirs, command); err != nil {
					return
				}
				_, _ = theirs.Write([]byte("+OK\r\n"))
				_, _ = theirs.Write([]byte("body\r\n.\r\n"))
			}
		}()
		start := time.Now()
		for range rounds {
			if _, err := c.Write([]byte("RETR 1")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 14)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < rounds*10*time.Millisecond {
			return
		}
	}
	t.Error("a reply in two pieces takes more than 10 ms on the loopback")
}
