// Package interop takes a mailbox off Inbucket, whose modules weigh nothing in
// the program's: this is a module of its own.
package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inbucket/inbucket/v3/pkg/config"
	"github.com/inbucket/inbucket/v3/pkg/extension"
	"github.com/inbucket/inbucket/v3/pkg/extension/event"
	"github.com/inbucket/inbucket/v3/pkg/message"
	"github.com/inbucket/inbucket/v3/pkg/server/pop3"
	"github.com/inbucket/inbucket/v3/pkg/storage"
	"github.com/inbucket/inbucket/v3/pkg/storage/mem"
	"github.com/rs/zerolog"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// inbucket is Inbucket's POP3 server over its store in memory, without its
// SMTP server, which would put a Received field before each message.
type inbucket struct {
	t     *testing.T
	store storage.Store
}

// startInbucket starts it on a free port until the test ends.
func startInbucket(t *testing.T) *realtest.Server {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	store, err := mem.New(config.Storage{}, extension.NewHost())
	if err != nil {
		t.Fatal(err)
	}
	ports, err := pop3test.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(ports[0]))
	server, err := pop3.NewServer(config.POP3{Addr: addr, Domain: "inbucket", Timeout: time.Minute}, store)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); server.Start(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-server.Notify():
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-ended; server.Drain() })
	i := &inbucket{t, store}
	return &realtest.Server{
		Account: []string{"server: " + addr, "tls: none", "password: " + realtest.Password},
		Add:     i.add, Kept: i.kept,
	}
}

func (i *inbucket) add(messages [][]byte) {
	i.t.Helper()
	for _, m := range messages {
		d := &message.Delivery{
			Meta:   event.MessageMetadata{Mailbox: "alice", From: &mail.Address{Address: "a@example.org"}, Date: time.Now()},
			Reader: bytes.NewReader(m),
		}
		if _, err := i.store.AddMessage(d); err != nil {
			i.t.Fatal(err)
		}
	}
}

func (i *inbucket) kept() (out [][]byte) {
	i.t.Helper()
	list, err := i.store.GetMessages("alice")
	if err != nil {
		i.t.Fatal(err)
	}
	for _, m := range list {
		r, err := m.Source()
		if err != nil {
			i.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			i.t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

// buildProgram makes the program as a user has it, in its own module.
func buildProgram(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mailhaul")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join("..", "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestInbucket takes a mailbox off Inbucket. Its lines end at 64 KiB, see
// TestInbucketLongLine.
func TestInbucket(t *testing.T) {
	messages := pop3test.CorpusOptions{Seed: 14, N: 60, Small: true}.Generate()
	realtest.Journey(t, buildProgram(t), startInbucket(t), messages)
}

// TestInbucketLongLine: at a line of more than 64 KiB Inbucket ends the message
// early and says -ERR later, so that all replies are one late. The message is
// neither delivered nor deleted, and the others arrive.
func TestInbucketLongLine(t *testing.T) {
	messages := pop3test.CorpusOptions{Seed: 15, N: 12, Small: true}.Generate()
	long := []byte("Message-ID: <long@example.org>\r\nSubject: long\r\n\r\n" + strings.Repeat("x", 70<<10) + "\r\n")
	s := startInbucket(t)
	s.Add(messages[:6])
	s.Add([][]byte{long})
	s.Add(messages[6:])
	realtest.Broken(t, buildProgram(t), s, messages, long)
}
