package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serve runs f as the server of a pipe whose input is thrown away.
func serve(f func(server net.Conn)) (client net.Conn, wait func()) {
	client, server := net.Pipe()
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(io.Discard, server); done <- struct{}{} }()
	go func() { f(server); _ = server.Close(); done <- struct{}{} }()
	return client, func() { _ = client.Close(); <-done; <-done }
}

// drip sends text one octet a second.
func drip(conn net.Conn, text string) {
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func TestDrippingServerIsCut(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		name, fast, slow string
		err              string
		after            time.Duration
	}{
		{"greeting", "", "+OK " + long, "greeting: timeout", 30 * time.Second},
		{"capa", "+OK\r\n", "+OK " + long, "capa: timeout", 60 * time.Second},
		{"capa lines", "+OK\r\n+OK\r\n", long, "capa: timeout", 60 * time.Second},
		{"list", "+OK\r\n-ERR\r\n+OK 1 1\r\n+OK\r\n", strings.Repeat("1 a\r\n", 1000), "uidl: timeout", 60 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, wait := serve(func(s net.Conn) { _, _ = s.Write([]byte(tt.fast)); drip(s, tt.slow) })
				defer wait()
				start := time.Now()
				c, err := NewClient(t.Context(), conn, &Server{Security: Plain})
				if err == nil {
					_, err = c.List(t.Context())
				}
				wantErr(t, err, tt.err)
				if d := time.Since(start).Round(time.Second); d != tt.after {
					t.Errorf("after %v, want %v", d, tt.after)
				}
			})
		})
	}
}

func TestSlowBodies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		chunk   int
		chunks  int
		every   time.Duration
		consume time.Duration
		session time.Duration
		err     string
	}{
		{name: "drip", chunk: 1, chunks: 100, every: time.Second, err: "retr 1: timeout: no answer"},
		{name: "too slow", chunk: 500, chunks: 5, every: 40 * time.Second, err: "retr 1: timeout"},
		{name: "slow but alive", chunk: 1100, chunks: 5, every: 50 * time.Second},
		{name: "slow consumer", chunk: 1100, chunks: 5, every: time.Millisecond, consume: 5 * time.Minute},
		{name: "session", chunk: 1100, chunks: 5, every: 50 * time.Second, session: 2 * time.Minute,
			err: "timeout: the session took longer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, wait := serve(func(s net.Conn) {
					_, _ = s.Write([]byte("+OK\r\n"))
					_, _ = s.Write([]byte("+OK\r\n"))
					for range tt.chunks {
						time.Sleep(tt.every)
						_, _ = s.Write([]byte(strings.Repeat("x", tt.chunk)))
					}
					time.Sleep(tt.every)
					_, _ = s.Write([]byte("\r\n.\r\n"))
					time.Sleep(time.Second)
					_, _ = s.Write([]byte("+OK 1 1\r\n"))
				})
				defer wait()
				c, err := NewClient(t.Context(), conn, &Server{Security: Plain, NoCapa: true, Session: tt.session})
				if err != nil {
					t.Fatal(err)
				}
				err = c.Retrieve(t.Context(), []Message{{Num: 1}}, func(_ Message, body io.Reader, _ error) error {
					p := make([]byte, 1000)
					for {
						time.Sleep(tt.consume)
						if _, err := body.Read(p); err == io.EOF {
							return nil
						} else if err != nil {
							return err
						}
					}
				})
				wantErr(t, err, tt.err)
			})
		})
	}
}

func TestCancelUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, wait := serve(func(s net.Conn) {
			_, _ = s.Write([]byte("+OK\r\n"))
			_, _ = s.Write([]byte("+OK\r\nhalf a mess"))
			time.Sleep(time.Hour)
		})
		defer wait()
		c, err := NewClient(t.Context(), conn, &Server{Security: Plain, NoCapa: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		start := time.Now()
		err = c.Retrieve(ctx, []Message{{Num: 1}}, func(_ Message, body io.Reader, _ error) error {
			_, err := io.ReadAll(body)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("body: %v", err)
			}
			return err
		})
		if !errors.Is(err, context.Canceled) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := c.Noop(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("later: %v", err)
		}
	})
}

func TestStalledWriteIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go func() { _, _ = server.Write([]byte("+OK\r\n")) }()
		_, err := NewClient(t.Context(), client, &Server{Security: Plain})
		wantErr(t, err, "capa: timeout")
	})
}

func TestEndlessListIsBounded(t *testing.T) {
	for _, line := range []string{"x\r\n", "1 a\r\n", "\r\n", "5 " + strings.Repeat("u", 900) + "\r\n"} {
		e := &endless{msg: []byte(line)}
		head := "+OK\r\n+OK 5 5\r\n+OK\r\n"
		conn := readConn{r: io.MultiReader(strings.NewReader(head), e)}
		c, err := NewClient(t.Context(), conn, &Server{Security: Plain, NoCapa: true, MaxMessages: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.List(t.Context()); !errors.Is(err, ErrProtocol) {
			t.Errorf("%.10q: %v", line, err)
		}
	}
}

// TestWindow counts what is ahead of the replies.
func TestWindow(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name      string
		n         int
		size      int64
		num       int
		mostAhead int
		flushes   int
	}{
		{"small", 5000, 1000, 1, windowCommands - 1, 20},
		{"long commands", 5000, 1000, 1_000_000_000, windowLine / len("RETR 1000000000\r\n"), 25},
		{"big", 40, 5 * mib, 1, 3, 40},
		{"huge", 10, 100 * mib, 1, 1, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{dialogue: dialogue{s: &Server{Pipelining: PipelineOn}}}
			c.w.init(readConn{}, c.s)
			most, flushes := 0, 0
			err := c.do(batch{
				n:       tt.n,
				command: func(dst []byte, i int) []byte { return fmt.Appendf(dst, "RETR %d", tt.num+i) },
				octets:  func(int) int64 { return tt.size },
				reply: func(i int) error {
					if len(c.w.out) > 0 {
						flushes++
					}
					_ = c.w.flush()
					c.w.replies++
					most = max(most, c.w.queued-c.w.replies)
					if c.w.queued <= i {
						return errors.New("reply without command")
					}
					return nil
				},
			})
			if err != nil || most != tt.mostAhead || flushes > tt.flushes {
				t.Errorf("%v; %d ahead, want %d; %d flushes, want at most %d", err, most, tt.mostAhead, flushes, tt.flushes)
			}
		})
	}
}
