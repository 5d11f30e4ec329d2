package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// nextTurn ends what a fuzzed server says before it waits for the client.
const nextTurn = "\n~\n"

// sinkhole is a target that reads every message and keeps none.
type sinkhole struct{ messages, bytes int64 }

func (s *sinkhole) Begin(context.Context) (deliver.Batch, error) { return &sinkBatch{s: s}, nil }
func (s *sinkhole) Close() error                                 { return nil }

type sinkBatch struct {
	s *sinkhole
	n int
}

func (b *sinkBatch) Add(_ context.Context, _ deliver.Envelope, body io.Reader) error {
	n, err := io.Copy(io.Discard, body)
	if err != nil {
		return err
	}
	b.n++
	b.s.messages++
	b.s.bytes += n
	return nil
}

func (b *sinkBatch) Prepare(context.Context) ([]deliver.Intent, error) {
	return make([]deliver.Intent, b.n), nil
}

func (b *sinkBatch) Publish(context.Context) []deliver.Result { return make([]deliver.Result, b.n) }
func (b *sinkBatch) Abort() error                             { return nil }

// canned serves every connection the same turns, one each time that the client
// has said something, and hangs up after the last.
func canned(data []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		_ = server.SetDeadline(time.Now().Add(5 * time.Second))
		heard := make(chan struct{}, 1)
		go func() { // a pipe has no buffer: the client may send while we do
			defer close(heard)
			buf := make([]byte, 64<<10)
			for {
				if _, err := server.Read(buf); err != nil {
					return
				}
				select {
				case heard <- struct{}{}:
				default:
				}
			}
		}()
		go func() {
			defer server.Close()
			for i, say := range bytes.Split(data, []byte(nextTurn)) {
				if i > 0 {
					<-heard
				}
				if _, err := server.Write(say); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

// FuzzRun runs an account against a server of arbitrary bytes: no panic, no
// hang, and nothing deleted that was not delivered. With lies, two bytes each
// (a kind and a message), it is a server that breaks these, one a connection,
// and whose honest twin then takes over: each message is there once, byte for
// byte, and nothing was deleted that is not.
func FuzzRun(f *testing.F) {
	full := "+OK hi" + nextTurn + "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nUTF8\r\nSASL PLAIN SCRAM-SHA-256\r\n.\r\n"
	f.Add([]byte(full+nextTurn+"+OK\r\n"+nextTurn+"+OK\r\nPIPELINING\r\n.\r\n+OK 2 200\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n+OK\r\n1 100\r\n2 "+
		"100\r\n.\r\n"+
		nextTurn+"+OK\r\nSubject: x\r\n\r\n..y\r\n.\r\n-ERR [UTF8] no\r\n"+nextTurn+"+OK\r\n+OK\r\n"), []byte(nil))
	f.Add([]byte("+OK <1@x>"+"\r\n"+nextTurn+"-ERR\r\n"+nextTurn+"+OK\r\n"+nextTurn+"+OK\r\n"+nextTurn+"+OK 1 "+
		"1\r\n"+nextTurn+"-ERR\r\n"+nextTurn+"+OK\r\n1 5\r\n.\r\n"+
		nextTurn+"+OK\r\nX: y\r\n\r\n.\r\n"+nextTurn+"+OK\r\nX: y\r\n\r\nz\r\n.\r\n"+nextTurn+"+OK\r\n"+nextTurn+"+OK\r\n"), []byte(nil))
	f.Add([]byte("+OK\r\n"+nextTurn+"+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n"+nextTurn+"+ cj14\r\n"+nextTurn+"-ERR [AUTH]\r\n"), []byte(nil))
	f.Add([]byte("-ERR [SYS/TEMP] x\r\n"), []byte(nil))
	f.Add([]byte("+OK\r\n"+nextTurn), []byte(nil))
	for kind := range lieKinds {
		f.Add([]byte(nil), []byte{byte(kind), 1, byte(lieKinds - 1 - kind), 4})
	}
	f.Fuzz(func(t *testing.T, data, lies []byte) {
		// In a bubble the silence of the server costs nothing.
		synctest.Test(t, func(t *testing.T) {
			if told := script(lies); len(told) > 0 {
				outlive(t, told, lies[0] >= 0x80)
			} else {
				fuzzRun(t, data)
			}
		})
	})
}

func fuzzRun(t *testing.T, data []byte) {
	sink := &sinkhole{}
	password := func(context.Context) (string, error) { return "secret", nil }
	a := &fetch.Account{
		Name: "fuzz", ID: "fuzz",
		Server: &pop3.Server{Host: "pop.example.org", Security: pop3.Plain, Insecure: true, LF: true,
			Connect: 2 * time.Second, Idle: 2 * time.Second, Session: 4 * time.Second, Dial: canned(data),
			Logins: []pop3.Login{
				{Name: "SCRAM-SHA-256", User: "alice", New: func(_ context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
					return sasl.NewSCRAM("SCRAM-SHA-256", "alice", "secret", ch), nil
				}},
				{Name: "USER", User: "alice", Clear: true, Password: password}}},
		Targets: []commit.Target{{ID: "sink", Deliverer: sink}},
		Policy:  plan.Policy{Keep: plan.Keep{None: true}},
	}
	fetcher := &fetch.Fetcher{StateDir: t.TempDir(), Recover: map[string]deliver.RecoverFunc{}}
	began := time.Now()
	for range 2 { // the second run knows what the first detected
		s := fetcher.Run(t.Context(), []*fetch.Account{a})[0]
		if s.Deleted > int(sink.messages) {
			t.Errorf("%d deleted, %d delivered", s.Deleted, sink.messages)
		}
		if s.Err != nil && fetch.ExitOf(s.Err) == fetch.ExitSoftware {
			t.Errorf("the server's doing is called a bug here: %v", s.Err)
		}
		if text := fmt.Sprint(s.Err, s.Notes); !printable(text) {
			t.Errorf("control characters in %q", text)
		}
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\n' || r == 0x7f {
			return false
		}
	}
	return true
}
