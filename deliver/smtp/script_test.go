package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/deliver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startScript serves one connection after the other from scripts of lines:
//
//	S: text     send text and CRLF; "\n" in it stands for CRLF
//	C: prefix   read a line and compare its beginning
//	BODY        read lines up to a lone dot
//	LINES n     read n lines
//	WAIT        read until the client closes
//	FLOOD       send continuation lines until the client closes
//
// At its end the connection is closed. Connections beyond the last script are
// reported as errors.
func startScript(t testing.TB, scripts ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				if i < len(scripts) {
					t.Errorf("%d connections, want %d", i, len(scripts))
				}
				return
			}
			if i >= len(scripts) {
				t.Errorf("connection %d was not expected", i+1)
			} else if err := play(c, scripts[i]); err != nil {
				t.Errorf("connection %d: %v", i+1, err)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func play(c net.Conn, script string) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // only a hanging test gets there
	br := bufio.NewReader(c)
	for line := range strings.Lines(script) {
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch verb {
		case "S:":
			_, err = fmt.Fprintf(c, "%s\r\n", strings.ReplaceAll(arg, `\n`, "\r\n"))
		case "C:":
			var got string
			if got, err = br.ReadString('\n'); err == nil && !strings.HasPrefix(got, arg) {
				err = fmt.Errorf("got %q, want %q", got, arg)
			}
		case "BODY":
			for got := ""; err == nil && got != ".\r\n"; {
				got, err = br.ReadString('\n')
			}
		case "LINES":
			n := 0
			_, _ = fmt.Sscan(arg, &n)
			for ; n > 0 && err == nil; n-- {
				_, err = br.ReadString('\n')
			}
		case "WAIT":
			for err == nil {
				_, err = br.ReadByte()
			}
			err = nil
		case "FLOOD":
			for err == nil {
				_, err = fmt.Fprint(c, "250-"+arg+"\r\n")
			}
			err = nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	return nil
}

const (
	hello    = "S: 220 relay\nC: EHLO me\nS: 250-relay\\n250-PIPELINING\\n250 SIZE 0\n"
	plain    = "S: 220 relay\nC: EHLO me\nS: 250 relay\n"
	envelope = "C: MAIL FROM:<>\nC: RCPT TO:<a@b>\nC: DATA\n"
	taken    = "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 250 queued as 1\n"
	quit     = "C: QUIT\nS: 221 bye\n"
)

// TestReplies walks through every phase: which failure means what, and what
// goes over the wire afterwards.
func TestReplies(t *testing.T) {
	t.Parallel()
	const mayHave = "may have been delivered"
	ok := []string{"ok"}
	tests := []struct {
		name    string
		scripts []string
		body    string // default "x\n"
		want    []string
	}{
		{"taken, pipelined", []string{hello + envelope + taken + quit}, "", ok},
		{"taken, one by one", []string{plain + "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@b>\nS: 250 ok\nC: DATA\nS: 354 go\n" +
			"BODY\nS: 250 ok\n" + quit}, "", ok},
		{"two on one connection", []string{hello + envelope + taken + envelope + taken + quit}, "", []string{"ok", "ok"}},
		{"HELO fallback", []string{"S: 220 x\nC: EHLO\nS: 502 what?\nC: HELO me\nS: 250 x\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT\n" +
			"S: 250 ok\nC: DATA\nS: 354 go\nBODY\nS: 250 ok\n" + quit}, "", ok},
		{"greeting 554", []string{"S: 554 go away\n"}, "", []string{"cannot create: greeting: 554 go away"}},
		{"greeting 421", []string{"S: 421 busy\n"}, "", []string{"unavailable: greeting: 421"}},
		{"greeting is not SMTP", []string{"S: +OK POP3 ready\nWAIT\n"}, "",
			[]string{`unavailable: greeting: relay broke the protocol: reply "+OK`}},
		{"greeting missing", []string{""}, "", []string{"unavailable: greeting: connection closed"}},
		{"EHLO 550", []string{"S: 220 x\nC: EHLO\nS: 550 not you\n"}, "", []string{"cannot create: EHLO: 550"}},
		{"endless reply", []string{"S: 220 x\nC: EHLO\nFLOOD X-MORE\n"}, "",
			[]string{"unavailable: EHLO: relay broke the protocol: reply over"}},
		{"endless line", []string{"S: 220 x\nC: EHLO\nS: 250 " + strings.Repeat("x", 4096) + "\nWAIT\n"}, "",
			[]string{"unavailable: EHLO: relay broke the protocol: reply line over"}},
		{"control characters", []string{"S: 554 \x1b[2Jboo\a\n"}, "", []string{`cannot create: greeting: 554 \x1b[2Jboo\a`}},
		{"MAIL 451", []string{hello + envelope + "S: 451 later\\n503 no\\n503 no\n" + quit}, "", []string{"unavailable: MAIL: 451 later"}},
		{"MAIL 550, then RSET is not due", []string{hello + envelope + "S: 550 no\\n503 no\\n503 no\n" + envelope + taken + quit},
			"", []string{"cannot create: MAIL: 550 no", "ok"}},
		{"MAIL 530", []string{hello + envelope + "S: 530 login\\n503 no\\n503 no\n" + quit}, "", []string{"cannot create: MAIL: 530"}},
		{"RCPT 550, then RSET", []string{hello + envelope + "S: 250 ok\\n550 no user\\n554 no rcpt\nC: RSET\n" + envelope +
			"S: 250 reset\n" + taken + quit}, "", []string{"cannot create: RCPT <a@b>: 550 no user", "ok"}},
		{"RCPT 452, one by one", []string{plain + "C: MAIL\nS: 250 ok\nC: RCPT\nS: 452 full\n" + quit}, "",
			[]string{"later: RCPT <a@b>: 452"}},
		{"RCPT 550 and yet 354", []string{hello + envelope + "S: 250 ok\\n550 no user\\n354 go\nWAIT\n"}, "",
			[]string{"cannot create: RCPT <a@b>: 550 no user"}},
		{"RCPT 421", []string{hello + envelope + "S: 250 ok\\n421 shutting down\n",
			hello + envelope + "S: 250 ok\\n421 shutting down\n"}, "", []string{"unavailable: RCPT: 421"}},
		{"DATA 451", []string{hello + envelope + "S: 250 ok\\n250 ok\\n451 no\n" + quit}, "", []string{"later: DATA: 451"}},
		{"DATA 250", []string{hello + envelope + "S: 250 ok\\n250 ok\\n250 ok\nWAIT\n"}, "",
			[]string{"unavailable: DATA: relay broke the protocol"}},
		{"lost at MAIL, tried twice", []string{hello + envelope, hello + envelope}, "", []string{"unavailable: MAIL: connection closed"}},
		{"lost before the dot", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nLINES 2\n"},
			strings.Repeat("lots of text\n", 1<<20), []string{"failed: message: "}},
		{"refused before the dot", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\\n552 too much\nWAIT\n"}, "",
			[]string{"never: "}},
		{"lost after the dot", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\n"}, "",
			[]string{"failed: reply to the message: connection closed by the relay; the message " + mayHave}},
		{"nonsense after the dot", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: hello?\nWAIT\n"}, "",
			[]string{"failed: reply to the message: relay broke the protocol"}},
		{"final 452", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 452 disk full\n" + quit}, "",
			[]string{"later: reply to the message: 452"}},
		{"final 554", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 554 spam\n" + quit}, "",
			[]string{"never: reply to the message: 554"}},
		{"final 421", []string{hello + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 421 dying\n"}, "",
			[]string{"unavailable: reply to the message: 421"}},
		{"421 between two", []string{hello + envelope + taken + "S: 421 idle\nWAIT\n", hello + envelope + taken + quit}, "",
			[]string{"ok", "ok"}},
		{"dropped between two", []string{hello + envelope + taken, hello + envelope + taken + quit}, "", []string{"ok", "ok"}},
		{"421 to the second MAIL", []string{hello + envelope + taken + envelope + "S: 421 enough\n", hello + envelope + taken + quit},
			"", []string{"ok", "ok"}},
		{"421 on the new one too", []string{hello + envelope + taken + envelope + "S: 421 enough\n",
			hello + envelope + "S: 421 enough\n"}, "", []string{"ok", "unavailable: MAIL: 421"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{Address: startScript(t, tc.scripts...), Security: NoTLS, To: []string{"a@b"}, Helo: "me",
				Timeout: 5 * time.Second})
			for i, want := range tc.want {
				body := tc.body
				if body == "" {
					body = "x\n"
				}
				got := describe(deliverOne(t, d, deliver.Envelope{}, body))
				if !strings.HasPrefix(got, want) {
					t.Errorf("message %d: got %q, want %q", i, got, want)
				}
				if strings.Contains(got, mayHave) != strings.Contains(tc.name, "after the dot") {
					t.Errorf("message %d: doubt misplaced: %q", i, got)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// describe is a result as "class: stage: cause", without the relay's name.
func describe(r deliver.Result) string {
	var e *deliver.Error
	if !errors.As(r.Err, &e) {
		return "ok " + r.Receipt
	}
	classes := map[deliver.Class]string{deliver.Later: "later", deliver.Never: "never", deliver.Unavailable: "unavailable",
		deliver.CannotCreate: "cannot create", deliver.Denied: "denied", deliver.Failed: "failed", deliver.IOError: "I/O error"}
	_, text, _ := strings.Cut(e.Error(), ": ")
	return classes[e.Class] + ": " + text
}

// overPipe delivers to a script without a network, so that the clock of a
// bubble is exact. The relay reads no more after its script, and hangs up with
// the end of the test.
func overPipe(t *testing.T, script string) *Deliverer {
	return New(Options{
		Security: NoTLS, To: []string{"a@b"}, Helo: "me", Timeout: 2 * time.Second, FinalTimeout: 3 * time.Second,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				if err := play(theirs, script); err != nil {
					t.Error(err)
				}
				<-t.Context().Done()
			}()
			return ours, nil
		},
	})
}

// TestStall: neither a relay that says nothing nor one that stops reading must
// hold the run.
func TestStall(t *testing.T) {
	t.Parallel()
	const data = hello + envelope + "S: 250 ok\\n250 ok\\n354 go\n"
	for _, tc := range []struct {
		script, body, want string
		after              time.Duration
	}{
		{"WAIT\n", "x\n", "unavailable: greeting: no answer in time", 2 * time.Second},
		{hello + envelope + "WAIT\n", "x\n", "unavailable: MAIL: no answer in time", 2 * time.Second},
		{data, strings.Repeat("0123456789abcde\n", 1<<15), "failed: message: no answer in time", 2*time.Second + earlyReply},
		{data + "BODY\nWAIT\n", "x\n", "failed: reply to the message: no answer in time", 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := overPipe(t, tc.script)
			start := time.Now()
			got := describe(deliverOne(t, d, deliver.Envelope{}, tc.body))
			if took := time.Since(start); !strings.HasPrefix(got, tc.want) || took != tc.after {
				t.Errorf("got %q after %v, want %q after %v", got, took, tc.want, tc.after)
			}
			_ = d.Close()
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := overPipe(t, hello+envelope+"WAIT\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		got := describe(deliverCtx(t, ctx, d, deliver.Envelope{}, "x\n"))
		if took := time.Since(start); !strings.HasPrefix(got, "later: MAIL: interrupted") || took != time.Second {
			t.Errorf("got %q after %v", got, took)
		}
		_ = d.Close()
	})
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	d := New(Options{Address: l.Addr().String(), Security: NoTLS, To: []string{"a@b"}})
	got := describe(deliverOne(t, d, deliver.Envelope{}, "x\n"))
	if !strings.HasPrefix(got, "unavailable: ") || !strings.Contains(got, "refused") {
		t.Errorf("got %q", got)
	}
}

// TestSTARTTLSInjected: text sent ahead of the handshake ends the session.
func TestSTARTTLSInjected(t *testing.T) {
	t.Parallel()
	script := "S: 220 x\nC: EHLO\nS: 250-x\\n250 STARTTLS\nC: STARTTLS\nS: 220 go\\n250-injected\\n250 AUTH PLAIN\nWAIT\n"
	d := New(Options{Address: startScript(t, script), To: []string{"a@b"}})
	want := "unavailable: STARTTLS: relay broke the protocol: text before the TLS handshake"
	if diff := cmp.Diff(want, describe(deliverOne(t, d, deliver.Envelope{}, "x\n"))); diff != "" {
		t.Error(diff)
	}
}
