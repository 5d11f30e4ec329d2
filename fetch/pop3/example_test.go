package pop3_test

import (
	"context"
	"fmt"
	"io"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// A whole session: everything is read, marked for deletion and, with QUIT,
// deleted.
func Example() {
	ctx := context.Background()
	c, err := pop3.Dial(ctx, &pop3.Server{
		Host: "pop.example.org",
		Logins: []pop3.Login{{
			Name: "USER", User: "alice", Clear: true,
			Password: func(context.Context) (string, error) { return "secret", nil },
		}},
	})
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
	err = c.Retrieve(ctx, msgs, func(m pop3.Message, body io.Reader, err error) error {
		if err != nil {
			return err // the server refused this one
		}
		n, err := io.Copy(io.Discard, body)
		fmt.Println(m.UID, n)
		return err
	})
	if err == nil {
		err = c.DeleteAndQuit(ctx, msgs, nil)
	}
	if err != nil {
		fmt.Println(err)
	}
}
