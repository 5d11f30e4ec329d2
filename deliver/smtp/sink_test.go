package smtp

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// program finds a program, or skips the test.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s is not installed, and MAILHAUL_REQUIRE_ALL is set", names[0])
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

// startSink starts Postfix's smtp-sink with the given options and returns its
// unix socket (a free port might be taken before it listens) and the directory
// that -d may dump into.
func startSink(t testing.TB, options ...string) (addr, dir string) {
	t.Helper()
	sink := program(t, "smtp-sink", "/usr/sbin/smtp-sink")
	dir, err := os.MkdirTemp("", "sink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 { // it refuses to stay root
		options = append(options, "-u", "nobody")
		_ = os.Chmod(dir, 0o777)
	}
	addr = filepath.Join(dir, "s")
	for i, o := range options {
		options[i] = strings.ReplaceAll(o, "DIR", dir)
	}
	cmd := exec.Command(sink, append(options, "unix:"+addr, "64")...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", addr)
		if err == nil {
			_ = c.Close()
			return addr, dir
		}
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("smtp-sink does not listen: %s", out.String())
		}
	}
}

// TestSinkFaults: smtp-sink rejects, defers and hangs up at each command.
func TestSinkFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ options, want string }{
		{"", "ok"}, {"-L", "ok"}, {"-e", "ok"}, {"-p", "ok"}, {"-8", "ok"}, {"-a -E -N", "ok"},
		{"-f CONNECT", "cannot create: greeting: 500"}, {"-r CONNECT", "unavailable: greeting: 450"},
		{"-q CONNECT", "unavailable: greeting: connection closed"}, {"-Q CONNECT", "unavailable: greeting: 421"},
		{"-r EHLO", "unavailable: EHLO: 450"}, {"-q EHLO", "unavailable: EHLO: "}, {"-Q EHLO", "unavailable: EHLO: 421"},
		{"-f EHLO", "ok"}, {"-f EHLO,HELO", "cannot create: EHLO: 500"}, {"-L -f LHLO", "cannot create: EHLO: 500"},
		{"-f MAIL", "cannot create: MAIL: 500"}, {"-r MAIL", "unavailable: MAIL: 450"},
		{"-q MAIL", "unavailable: MAIL: "}, {"-Q MAIL", "unavailable: MAIL: 421"},
		{"-f RCPT", "cannot create: RCPT <a@b>: 500"}, {"-r RCPT", "later: RCPT <a@b>: 450"},
		{"-q RCPT", "unavailable: RCPT: "}, {"-Q RCPT", "unavailable: RCPT: 421"}, {"-L -r RCPT", "later: RCPT <a@b>: 450"},
		{"-f DATA", "cannot create: DATA: 500"}, {"-r DATA", "later: DATA: 450"},
		{"-q DATA", "unavailable: DATA: "}, {"-Q DATA", "unavailable: DATA: 421"},
		{"-f .", "never: reply to the message: 500"}, {"-r .", "later: reply to the message: 450"},
		{"-L -f .", "never: reply to the message for <a@b>: 500"}, {"-L -r .", "later: reply to the message for <a@b>: 450"},
		{"-q .", "failed: reply to the message: connection closed by the relay; the message may have been delivered"},
		{"-Q .", "unavailable: reply to the message: 421"},
		{"-B 554_spam -f .", "never: reply to the message: 554 spam"},
	}
	for _, tc := range tests {
		t.Run(tc.options, func(t *testing.T) {
			options := strings.Fields(tc.options)
			for i := range options {
				options[i] = strings.ReplaceAll(options[i], "_", " ")
			}
			addr, _ := startSink(t, options...)
			d := New(Options{Network: "unix", Address: addr, LMTP: slices.Contains(options, "-L"), Security: NoTLS, To: []string{"a@b"}})
			defer d.Close()
			for range 2 {
				if got := describe(deliverOne(t, d, deliver.Envelope{}, "x\n")); !strings.HasPrefix(got, tc.want) {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			}
		})
	}
}

// TestSinkBytes: what the sink dumped is what was sent.
func TestSinkBytes(t *testing.T) {
	t.Parallel()
	addr, dir := startSink(t, "-d", "DIR/m.")
	d := New(Options{Network: "unix", Address: addr, Security: NoTLS, To: []string{"a@b"}})
	bodies := []string{"Subject: x\n\n.\n..\n...x\nend", "\n", "A: b\n\n" + strings.Repeat("line\n.dot\n", 200_000),
		"A: \xe4\xf6\n\nbare\rCR\n"}
	for _, body := range bodies {
		if res := deliverOne(t, d, deliver.Envelope{}, body); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "m.*"))
	if len(files) != len(bodies) {
		t.Fatalf("%d dumps, want %d", len(files), len(bodies))
	}
	for _, body := range bodies {
		want := bytes.ReplaceAll(canon([]byte(body)), []byte("\r\n"), []byte("\n")) // the sink's dumps have LF
		if !slices.ContainsFunc(files, func(f string) bool {
			got, err := os.ReadFile(f)
			return err == nil && bytes.HasSuffix(bytes.TrimRight(got, "\n"), bytes.TrimRight(want, "\n"))
		}) {
			t.Errorf("not found in any dump: %.60q", body)
		}
	}
}

// TestDovecotLMTP: a real LMTP server over TCP and over its unix socket, with
// an unknown recipient among good ones.
func TestDovecotLMTP(t *testing.T) {
	t.Parallel()
	dovecot := pop3test.StartDovecot(t, pop3test.DovecotOptions{LMTP: true, Users: map[string]string{"alice": "x", "bob": "y"}})
	for i, o := range []Options{
		{Address: fmt.Sprintf("%s:%d", dovecot.Host, dovecot.LMTPPort)},
		{Network: "unix", Address: dovecot.LMTPSocket},
	} {
		o.LMTP, o.Security, o.To = true, NoTLS, []string{"alice", "no!body", "bob"}
		d := New(o)
		env := deliver.Envelope{HasSender: true, Sender: "carol@example.org"}
		body := fmt.Sprintf("Subject: over %d\n\n.hello\n", i)
		got := describe(deliverOne(t, d, env, body))
		if !strings.HasPrefix(got, "later: RCPT <no!body>: 550") {
			t.Errorf("%s: got %q", o.Address, got)
		}
		o.To = nil
		env.Recipients = []string{"bob"}
		if res := deliverOne(t, d, env, body); res.Err != nil {
			t.Errorf("%s: %v", o.Address, res.Err)
		}
		_ = d.Close()
		for user, want := range map[string]int{"alice": 1, "bob": 2} {
			if n := holding(t, dovecot.Maildir(user), body); n != want {
				t.Errorf("%s: %s has the message %d times, want %d", o.Address, user, n, want)
			}
		}
	}
}

// holding counts the messages of a Maildir that end in body.
func holding(t testing.TB, maildir, body string) (n int) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(maildir, "new", "*"))
	for _, f := range files {
		got, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasSuffix(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), []byte(body)) {
			n++
		}
	}
	return n
}

// BenchmarkSink delivers 8 KB messages to smtp-sink, as ours and as go-smtp's
// client does it.
func BenchmarkSink(b *testing.B) {
	body := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 128)
	b.Run("mailhaul", func(b *testing.B) {
		addr, _ := startSink(b)
		d := New(Options{Network: "unix", Address: addr, Security: NoTLS, To: []string{"a@b"}})
		defer d.Close()
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if res := deliverOne(b, d, deliver.Envelope{}, body); res.Err != nil {
				b.Fatal(res.Err)
			}
		}
	})
	b.Run("go-smtp", func(b *testing.B) {
		addr, _ := startSink(b)
		conn, err := net.Dial("unix", addr)
		if err != nil {
			b.Fatal(err)
		}
		c := gosmtp.NewClient(conn)
		defer c.Close()
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if err := c.SendMail("", []string{"a@b"}, strings.NewReader(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
