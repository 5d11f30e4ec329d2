package pop3

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// converse is a server that follows a script of lines: "S: text" is sent,
// "C: text" must be the client's next line, "S- text" is sent without CRLF,
// "W 5s" waits, "X" hangs up. Before it sends anything it waits until the
// client can go no further, and then the client must not have sent more than
// the script says: so a script shows what is pipelined. It needs a
// synctest bubble.
func converse(t *testing.T, script string) (client net.Conn, wait func()) {
	t.Helper()
	client, server := net.Pipe()
	lines := make(chan string, 10_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(lines)
		for sc := bufio.NewScanner(server); sc.Scan(); {
			lines <- sc.Text()
		}
	})
	wg.Go(func() {
		defer server.Close()
		play(t, server, lines, script)
	})
	return client, func() { _ = client.Close(); wg.Wait() }
}

func play(t *testing.T, server net.Conn, lines <-chan string, script string) {
	for step := range strings.Lines(script) {
		step = strings.TrimLeft(strings.TrimSuffix(step, "\n"), "\t")
		kind, text, _ := strings.Cut(step, " ")
		synctest.Wait()
		if (kind == "S:" || kind == "S-") && len(lines) > 0 {
			t.Errorf("at %q: client already sent %q", step, <-lines)
		}
		switch kind {
		case "S:":
			_, _ = server.Write([]byte(text + "\r\n"))
		case "S-":
			_, _ = server.Write([]byte(strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(text)))
		case "C:":
			if got := <-lines; got != text {
				t.Errorf("client sent %q, want %q", got, text)
				return
			}
		case "W":
			d, _ := time.ParseDuration(text)
			time.Sleep(d)
		case "X":
			return
		case "":
		default:
			t.Errorf("bad script line %q", step)
		}
	}
	for line := range lines {
		t.Errorf("client sent %q after the end of the script", line)
	}
}

// talk runs f with a client that has read the greeting and CAPA of script.
func talk(t *testing.T, s Server, script string, f func(ctx context.Context, c *Client) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if s.Security == ImplicitTLS {
			s.Security = Plain
		}
		conn, wait := converse(t, script)
		defer wait()
		ctx := t.Context()
		var c *Client
		if c, err = NewClient(ctx, conn, &s); err != nil {
			return
		}
		if f != nil {
			err = f(ctx, c)
		}
		_ = c.Close()
	})
	return err
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

// wantErr checks that err says what it should, or is nil if want is empty.
func wantErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one with %q", err, want)
	}
}

var errStop = errors.New("stop")

const capaPipe = "S: +OK hi\nC: CAPA\nS: +OK\nS: PIPELINING\nS: USER\nS: UIDL\nS: .\n"
const capaLock = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .\n"
