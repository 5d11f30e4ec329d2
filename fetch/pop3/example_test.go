package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// mailbox starts a server with three messages, whose second one never ends if it
// hangs, and returns how to reach it.
func mailbox(hangs bool) (*pop3.Server, *pop3test.Maildrop, func()) {
	drop := new(pop3test.Maildrop)
	for i := range 3 {
		drop.Add(fmt.Sprintf("uid%d", i+1), fmt.Appendf(nil, "Subject: message %d\r\n\r\nHello.\r\n", i+1))
	}
	var o pop3test.Options
	if hangs {
		o.Faults = []pop3test.Fault{{On: "RETR 2", After: 30, Do: pop3test.Stall()}}
	}
	srv := pop3test.NewServer(drop, o)
	return &pop3.Server{
		Host:   srv.Host,
		Port:   srv.Port,
		TLS:    &tls.Config{RootCAs: srv.CertPool()}, // nil for a server with a public certificate
		Logins: pop3.PasswordLogins("alice", "secret"),
	}, drop, srv.Close
}

// list connects, logs in and lists.
func list(ctx context.Context, s *pop3.Server) (*pop3.Client, []pop3.Message, error) {
	c, err := pop3.Dial(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if err := c.Login(ctx); err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	msgs, err := c.List(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, msgs, nil
}

// List a mailbox, and leave it as it is.
func Example() {
	server, _, stop := mailbox(false) // in your program: &pop3.Server{Host: "pop.example.org", Logins: ...}
	defer stop()
	ctx := context.Background()

	c, err := pop3.Dial(ctx, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Login(ctx); err != nil {
		fmt.Println(err)
		return
	}
	msgs, err := c.List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range msgs {
		fmt.Println(m.Num, m.UID, m.Size, "octets")
	}
	if err := c.Quit(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 uid1 30 octets
	// 2 uid2 30 octets
	// 3 uid3 30 octets
}

// Retrieve with a deadline. The server of this example stops in the middle of the
// second message: what came before it is there, and the rest can be fetched later.
func ExampleClient_Retrieve() {
	server, _, stop := mailbox(true)
	defer stop()
	c, msgs, err := list(context.Background(), server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	err = c.Retrieve(ctx, msgs, func(m pop3.Message, body io.Reader, err error) error {
		if err != nil {
			fmt.Println(m.UID, "refused:", err)
			return nil // go on with the next one
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err // this message is not whole
		}
		subject, _, _ := strings.Cut(string(text), "\r\n")
		fmt.Println(m.UID, subject)
		return nil
	})
	var broken *pop3.RetrieveError
	if errors.As(err, &broken) {
		fmt.Println("stopped at", broken.Message.UID)
	}
	fmt.Println("out of time:", errors.Is(err, context.DeadlineExceeded))
	// Output:
	// uid1 Subject: message 1
	// stopped at uid2
	// out of time: true
}

// Delete marks messages. The server deletes them at Quit, and not before.
func ExampleClient_Delete() {
	server, drop, stop := mailbox(false)
	defer stop()
	ctx := context.Background()
	c, msgs, err := list(ctx, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	err = c.Delete(ctx, msgs[:2], func(m pop3.Message, err error) error {
		fmt.Println("mark", m.UID, err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("before QUIT:", drop.Len())
	if err := c.Quit(ctx); err != nil {
		fmt.Println(err) // some may not be deleted: list again
		return
	}
	fmt.Println("after QUIT:", drop.Len())
	// Output:
	// mark uid1 <nil>
	// mark uid2 <nil>
	// before QUIT: 3
	// after QUIT: 1
}

func ExamplePasswordLogins() {
	for _, l := range pop3.PasswordLogins("alice", "secret") {
		fmt.Printf("%s, TLS only: %v\n", l.Name, l.Clear)
	}
	// Output:
	// SCRAM-SHA-256-PLUS, TLS only: false
	// SCRAM-SHA-256, TLS only: false
	// SCRAM-SHA-1-PLUS, TLS only: false
	// SCRAM-SHA-1, TLS only: false
	// PLAIN, TLS only: true
	// LOGIN, TLS only: true
	// USER, TLS only: true
}

// A login with an access token, which is asked for when it is needed.
func ExampleLoginBy() {
	token := func(ctx context.Context) (string, error) { return "ya29...", nil }
	l := pop3.LoginBy(sasl.XOAUTH2, "alice@example.org", token)
	fmt.Println(l.Name, l.Clear)
	// Output: XOAUTH2 true
}

// Port 0 is the registered port.
func ExampleServer_Address() {
	for _, s := range []pop3.Security{pop3.ImplicitTLS, pop3.STLS, pop3.Plain} {
		fmt.Println((&pop3.Server{Host: "pop.example.org", Security: s}).Address())
	}
	// Output:
	// pop.example.org:995
	// pop.example.org:110
	// pop.example.org:110
}
