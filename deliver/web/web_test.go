package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

var direct = new(net.Dialer).DialContext

// body is a request that sends n octets.
func body(method, url string, n int64) *Request {
	return &Request{Method: method, URL: url, Size: n, Open: func() io.Reader { return io.LimitReader(zeros{}, n) }}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAnswersOfEveryStatusAreAnswers(t *testing.T) {
	var got atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
		w.Header().Set("Location", "http://example.invalid/")
		w.WriteHeader(map[string]int{"/308": 308, "/302": 302, "/500": 500}[r.URL.Path])
		fmt.Fprint(w, "text")
	}))
	defer s.Close()
	c := New(Options{Name: "test", Dial: direct})
	defer c.Close()
	for path, status := range map[string]int{"/308": 308, "/302": 302, "/500": 500} {
		a, err := c.Do(t.Context(), body("POST", s.URL+path, 3<<20))
		if err != nil || a.Status != status || string(a.Body) != "text" || got.Load() != 3<<20 {
			t.Errorf("%s: %+v, %v; %d octets", path, a, err, got.Load())
		}
	}
}

func TestTokenIsRenewedOnce(t *testing.T) {
	var tries int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries++
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Header.Get("Authorization") != "Bearer new" || r.URL.Path == "/never" || n != 100 {
			w.WriteHeader(401)
		}
	}))
	defer s.Close()
	c := New(Options{Name: "test", Dial: direct,
		Authorize: func(context.Context) (string, error) { return "Bearer old", nil },
		Renew: func(_ context.Context, refused string) (string, error) {
			return strings.Replace(refused, "old", "new", 1), nil
		}})
	for path, status := range map[string]int{"/": 200, "/never": 401} {
		tries = 0
		a, err := c.Do(t.Context(), body("POST", s.URL+path, 100))
		if err != nil || a.Status != status || tries != 2 {
			t.Errorf("%s: %+v, %v after %d tries", path, a, err, tries)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 100<<20))
	}))
	defer s.Close()
	c := New(Options{Name: "test", Dial: direct})
	_, err := c.Do(t.Context(), &Request{Method: "GET", URL: s.URL})
	if e, ok := errors.AsType[*Error](err); !ok || e.Cause != TooLong {
		t.Errorf("%v", err)
	}
	var n int64
	_, err = c.Do(t.Context(), &Request{Method: "GET", URL: s.URL, Limit: 200 << 20, Into: func(r io.Reader) (err error) {
		n, err = io.Copy(io.Discard, r)
		return err
	}})
	if err != nil || n != 100<<20 {
		t.Errorf("streamed %d octets, %v", n, err)
	}
}

// TestCauses plays servers that do not answer, and wants the cause, whether the request
// may have been acted on, and no secret.
func TestCauses(t *testing.T) {
	secret := "s3cr3t"
	for _, row := range []struct {
		name   string
		play   func(net.Conn)
		size   int64
		cause  Cause
		sent   bool
		class  deliver.Class
		cancel bool
	}{
		{"closes in the upload", func(c net.Conn) { read(c, 1<<20); c.Close() }, 64 << 20, Lost, false, deliver.Unavailable, false},
		{"closes after it", func(c net.Conn) { read(c, 2<<20); c.Close() }, 2<<20 - 50, Lost, true, deliver.Unavailable, false},
		{"speaks SMTP", func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			fmt.Fprint(c, "220 mail "+secret+"\r\n")
			read(c, 1)
		}, 10, NotHTTP, true, deliver.Unavailable, false},
		{"breaks off in its answer", func(c net.Conn) {
			read(c, 100)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			c.Close()
		}, 0, Lost, true, deliver.Unavailable, false},
		{"is cancelled", func(c net.Conn) { read(c, 1<<30) }, 10, CauseOther, true, deliver.Later, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					if row.cancel {
						cancel()
					}
					go row.play(conn)
				}
			}()
			var trace bytes.Buffer
			c := New(Options{Name: "test", Dial: direct, Authorize: func(context.Context) (string, error) {
				return "Bearer " +
					secret, nil
			},
				Trace: func(_ bool, line string) { fmt.Fprintln(&trace, line) }})
			_, err = c.Do(ctx, body("POST", "http://"+l.Addr().String()+"/", row.size))
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Cause != row.cause || e.Class() != row.class || e.Sent != row.sent && !row.cancel {
				t.Errorf("%#v", err)
			}
			if strings.Contains(err.Error()+trace.String(), secret) {
				t.Errorf("secret in %q or in %q", err, &trace)
			}
		})
	}
}

func read(c net.Conn, n int64) { _, _ = io.CopyN(io.Discard, c, n) }

func TestNoConnection(t *testing.T) {
	untrusted := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	for _, row := range []struct {
		err   error
		cause Cause
		class deliver.Class
	}{
		{syscall.ECONNREFUSED, Unreachable, deliver.Unavailable},
		{fmt.Errorf("tls: %w", untrusted), Untrusted, deliver.Denied},
	} {
		fail := func(context.Context, string, string) (net.Conn, error) { return nil, row.err }
		c := New(Options{Name: "test", Dial: fail, DialTLS: fail})
		_, err := c.Do(t.Context(), body("POST", "https://host/", 10))
		if e, ok := errors.AsType[*Error](err); !ok || e.Cause != row.cause || e.Sent || e.Class() != row.class ||
			!errors.Is(err, row.err) {
			t.Errorf("%v: %#v", row.err, err)
		}
	}
	c := New(Options{Name: "test", Dial: direct, Authorize: func(context.Context) (string, error) { return "", errors.New("no token") }})
	_, err := c.Do(t.Context(), body("POST", "https://host/", 10))
	if e, ok := errors.AsType[*Error](err); !ok || e.Cause != NoLogin || e.Class() != deliver.Denied {
		t.Errorf("%#v", err)
	}
}

// TestSilence: a request lives as long as something moves, and no longer.
func TestSilence(t *testing.T) {
	for _, row := range []struct {
		name string
		play func(net.Conn)
		size int64
		took time.Duration
		sent bool
	}{
		{"takes nothing", func(net.Conn) {}, 1 << 20, 10 * time.Second, false},
		{"takes little by little", func(c net.Conn) {
			for range 100 {
				time.Sleep(9 * time.Second)
				read(c, bufferSize)
			}
		}, 100 * bufferSize, 99*9*time.Second + 30*time.Second, true},
		{"says nothing", func(c net.Conn) { read(c, 1<<30) }, 1 << 20, 30 * time.Second, true},
		{"stops in its answer", func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
		}, 0, 10 * time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				go row.play(theirs)
				c := New(Options{Name: "test", Idle: 10 * time.Second,
					Dial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
				r := body("POST", "http://host/", row.size)
				r.Wait = 30 * time.Second
				start := time.Now()
				_, err := c.Do(t.Context(), r)
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Cause != Silent || e.Sent != row.sent {
					t.Errorf("%#v", err)
				}
				if took := time.Since(start); took < row.took-10*time.Second || took > row.took+10*time.Second {
					t.Errorf("took %v", took)
				}
				_ = ours.Close()
				_ = theirs.Close()
				c.Close()
			})
		})
	}
}

func TestPause(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"120", "", 2 * time.Minute},
		{" 1.5 ", "", 1500 * time.Millisecond},
		{"-3", "", 0},
		{"99999999999999999999", "", 24 * time.Hour},
		{"Sun, 29 Nov 2026 12:05:00 GMT", "", 5 * time.Minute},
		{"Sun, 29 Nov 2026 12:05:00 GMT", "Sun, 29 Nov 2026 12:04:00 GMT", time.Minute},
		{"Sun, 29 Nov 2026 11:00:00 GMT", "", 0},
		{"Wed, 29 Nov 2028 12:00:00 GMT", "", 24 * time.Hour},
		{"soon", "", 0},
	} {
		a := &Answer{Header: http.Header{"Retry-After": {row.value}, "Date": {row.date}}, at: now}
		if got := a.Pause(); got != row.want {
			t.Errorf("%q at %q: %v, want %v", row.value, row.date, got, row.want)
		}
	}
}

// A server that closes an idle connection just when it is used again is asked again by a
// new one, if nothing can happen twice.
func TestClosedWhenUsedAgain(t *testing.T) {
	for _, harmless := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				in := bufio.NewReader(conn)
				if r, err := http.ReadRequest(in); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
				_, _ = in.ReadByte() // of the second request
				conn.Close()
			}
		}()
		c := New(Options{Name: "test", Dial: direct})
		r := body("POST", "http://"+l.Addr().String(), 10)
		r.Harmless = harmless
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), r)
		if lost, ok := errors.AsType[*Error](err); harmless && err != nil || !harmless && (!ok || lost.Cause != Lost) {
			t.Errorf("harmless %v: %v", harmless, err)
		}
	}
}

// What a server quotes of the login in a refusal is not shown to anyone.
func TestQuotedLogin(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer s.Close()
	c := New(Options{Name: "test", Dial: direct, Authorize: func(context.Context) (string, error) { return "Bearer s3cr3t", nil }})
	a, err := c.Do(t.Context(), &Request{Method: "GET", URL: s.URL})
	if err != nil || a.Status != 403 || string(a.Body) != "not ****\n" {
		t.Errorf("%v, %q", err, a.Body)
	}
}
