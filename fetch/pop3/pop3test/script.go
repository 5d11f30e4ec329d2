package pop3test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scriptPatience bounds the wait for each line of a dialogue.
const scriptPatience = 20 * time.Second

// ScriptConn plays the server's side of an exact dialogue over net.Pipe and
// returns the client's end. The test fails, with the dialogue so far, as soon
// as the client sends other bytes than the script says, and at its end if
// lines are left over.
//
// A script has one line a step; blank lines and the white space before a step
// are ignored:
//
//	S: +OK text       sent with CRLF
//	S" +OK\r\n.x"     sent as this Go string literal says, nothing added
//	S! close          closes the connection
//	C: CAPA           received with CRLF, byte for byte
//	C" USER a\r\n"    received as this literal says
//	C! close          the client closes the connection
//	# remark
//
// After the last step the client has to close, having sent nothing more.
//
// A net.Pipe has no buffer: a client that sends while the script sends, as one
// with a pipelining window does, needs ScriptServer.
func ScriptConn(t testing.TB, script string) net.Conn {
	t.Helper()
	steps := parseScript(t, script)
	client, server := net.Pipe()
	play(t, steps, func() (net.Conn, error) { return server, nil }, func() { client.Close(); server.Close() })
	return pipeEnd{client}
}

// pipeEnd leaves it to Read to say that the other end is closed, as TCP does.
type pipeEnd struct{ net.Conn }

func (c pipeEnd) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); err != io.ErrClosedPipe {
		return err
	}
	return nil
}

// ScriptServer plays a script, as ScriptConn does, to the first connection on
// a loopback port, and returns "host:port".
func ScriptServer(t testing.TB, script string) (addr string) {
	t.Helper()
	steps := parseScript(t, script)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept := func() (net.Conn, error) {
		l.(*net.TCPListener).SetDeadline(time.Now().Add(scriptPatience))
		return l.Accept()
	}
	play(t, steps, accept, func() { l.Close() })
	return l.Addr().String()
}

// step is one line of a script.
type step struct {
	client, close bool
	data          string
}

// parseScript reads a script; a mistake in it ends the test.
func parseScript(t testing.TB, script string) []step {
	t.Helper()
	var steps []step
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			t.Fatalf("script line %q: %v", line, err)
		}
		steps = append(steps, s)
	}
	return steps
}

func parseStep(line string) (step, error) {
	if len(line) < 2 || (line[0] != 'S' && line[0] != 'C') {
		return step{}, errors.New("want S or C first")
	}
	s := step{client: line[0] == 'C'}
	text := line[2:]
	switch line[1] {
	case ':':
		s.data = strings.TrimPrefix(text, " ") + "\r\n"
		return s, nil
	case '!':
		s.close = true
		if strings.TrimSpace(text) != "close" {
			return s, errors.New("want close after !")
		}
		return s, nil
	case '"':
		// The quote that opens the literal is the one behind the letter.
		var err error
		s.data, err = strconv.Unquote(`"` + strings.TrimPrefix(text, " "))
		return s, err
	}
	return s, errors.New(`want one of :"! in the second place`)
}

// play runs the steps in a goroutine and reports at the end of the test.
func play(t testing.TB, steps []step, accept func() (net.Conn, error), release func()) {
	var wg sync.WaitGroup
	var failure error
	wg.Go(func() {
		conn, err := accept()
		if err != nil {
			failure = err
			return
		}
		defer conn.Close()
		failure = runScript(conn, steps)
	})
	t.Cleanup(func() {
		stop := time.AfterFunc(scriptPatience, release)
		wg.Wait()
		stop.Stop()
		release()
		if failure != nil {
			t.Errorf("script: %v", failure)
		}
	})
}

// runScript plays steps on conn. The error holds the dialogue so far.
func runScript(conn net.Conn, steps []step) error {
	br := bufio.NewReader(conn)
	var past strings.Builder
	for _, s := range steps {
		conn.SetDeadline(time.Now().Add(scriptPatience))
		switch {
		case s.client && s.close:
			return wantEnd(br, &past)
		case s.close:
			return nil
		case s.client:
			if got, err := receive(br, s.data); got != s.data {
				return fmt.Errorf("after\n%s- C %q\n+ C %q (%v)", &past, s.data, got, err)
			}
		default:
			if _, err := io.WriteString(conn, s.data); err != nil {
				return fmt.Errorf("after\n%ssend %q: %w", &past, s.data, err)
			}
		}
		fmt.Fprintf(&past, "  %s %q\n", s.who(), s.data)
	}
	conn.SetDeadline(time.Now().Add(scriptPatience))
	return wantEnd(br, &past)
}

func (s step) who() string {
	if s.client {
		return "C"
	}
	return "S"
}

// receive reads up to len(want) bytes, and stops at the first that differs,
// then at the end of that line, so that the client's whole line is shown.
func receive(br *bufio.Reader, want string) (string, error) {
	var got []byte
	for i := range len(want) {
		b, err := br.ReadByte()
		if err != nil {
			return string(got), err
		}
		got = append(got, b)
		if b != want[i] {
			for br.Buffered() > 0 && b != '\n' {
				b, _ = br.ReadByte()
				got = append(got, b)
			}
			return string(got), errors.New("not what the script says")
		}
	}
	return string(got), nil
}

func wantEnd(br *bufio.Reader, past *strings.Builder) error {
	_, err := br.Peek(1)
	if err == nil {
		rest, _ := br.Peek(br.Buffered())
		return fmt.Errorf("after\n%s- the end\n+ C %q", past, rest)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return fmt.Errorf("after\n%s- the end\n+ the connection stays open", past)
	}
	return nil
}
