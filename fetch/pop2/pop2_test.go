package pop2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/pop2"
	"github.com/mailhaul/mailhaul/fetch/pop2/pop2test"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// dial logs in as user with password, over a connection of dial.
func dial(t *testing.T, user, password string, dial pop2.DialFunc, port int) (*pop3.Client, error) {
	t.Helper()
	c, err := pop3.Dial(t.Context(), &pop3.Server{Host: "127.0.0.1", Port: port, Security: pop3.POP2, Insecure: true,
		Dial: pop2.Dialer(dial, nil), Logins: pop3.PasswordLogins(user, password)})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return c, c.Login(t.Context())
}

func open(t *testing.T, s *pop2test.Server) *pop3.Client {
	t.Helper()
	pop2test.Start(t, s)
	c, err := dial(t, s.User, s.Password, nil, s.Port())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// retrieve reads all messages, or their headers.
func retrieve(t *testing.T, c *pop3.Client, top bool) (got []string, err error) {
	t.Helper()
	msgs, err := c.List(t.Context())
	if err != nil {
		return nil, err
	}
	fn := func(_ pop3.Message, body io.Reader, refused error) error {
		if refused != nil {
			got = append(got, refused.Error())
			return nil
		}
		b, err := io.ReadAll(body)
		got = append(got, string(b))
		return err
	}
	if top {
		return got, c.Top(t.Context(), msgs, 0, fn)
	}
	err = c.Retrieve(t.Context(), msgs, fn)
	return got, err
}

// TestEveryOctet: dots, bare line ends, and a message without an end of line.
func TestEveryOctet(t *testing.T) {
	long := "Subject: " + strings.Repeat(strings.Repeat("x", 70)+"\r\n ", 9000) + "x\r\n\r\nbody\r\n"
	bodies := []string{".\r\n..\r\n.x\r\n\r\n.\r\nend\r\n", "Subject: a\r\n\r\nno end", "a: b\r\n\r\n.bare\n.\n\r.\r\n", long, "\r\n"}
	s := &pop2test.Server{Drop: &pop3test.Maildrop{}}
	for _, b := range bodies {
		s.Drop.Add("", []byte(b))
	}
	s.Drop.Insert(2, "", nil) // does not exist
	c := open(t, s)
	got, err := retrieve(t, c, false)
	bodies[1] += "\r\n" // a message of POP3 ends with a line
	if diff := cmp.Diff(bodies, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	heads, err := retrieve(t, c, true)
	if err != nil || heads[1] != "Subject: a\r\n\r\n" || heads[3] == "" || !strings.HasPrefix(long, heads[3][:500<<10]) {
		t.Fatal(err, len(heads))
	}
	if msgs, _ := c.List(t.Context()); len(msgs) != 5 || msgs[2].Num != 4 || msgs[1].Size != 20 {
		t.Fatalf("%+v", msgs)
	}
}

func TestQuoting(t *testing.T) {
	for _, words := range [][2]string{{`a\b`, `se cr\et`}, {"x", " "}, {"x", `\\ `}} {
		open(t, &pop2test.Server{User: words[0], Password: words[1], Drop: &pop3test.Maildrop{}})
	}
	c, err := dial(t, "alice", strings.Repeat("x", 512), nil, pop2test.Start(t, &pop2test.Server{Drop: &pop3test.Maildrop{}}).Port())
	if err == nil || !strings.Contains(err.Error(), "longer than POP2 allows") {
		t.Fatal(c, err)
	}
}

// TestDelete: only what was read in this session, and is the same since, is deleted, and
// only at the end.
func TestDelete(t *testing.T) {
	changed := false
	s := &pop2test.Server{Drop: &pop3test.Maildrop{}}
	for i := range 3 {
		s.Drop.Add("", fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", i))
	}
	s.Body = func(body []byte) []byte {
		if changed {
			return bytes.ToUpper(body)
		}
		return body
	}
	c := open(t, s)
	msgs, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refusals := func(msgs ...pop3.Message) (list []string) {
		_ = c.Delete(t.Context(), msgs, func(_ pop3.Message, err error) error {
			list = append(list, fmt.Sprint(err))
			return nil
		})
		return list
	}
	if got := refusals(msgs[0]); len(got) != 1 || !strings.Contains(got[0], "was not read in this session") {
		t.Fatal(got)
	}
	if _, err := retrieve(t, c, false); err != nil {
		t.Fatal(err)
	}
	if got := refusals(msgs[1]); len(got) != 1 || got[0] != "<nil>" || s.Drop.Len() != 3 {
		t.Fatal(got)
	}
	changed = true
	if got := refusals(msgs[2]); len(got) != 1 || !strings.Contains(got[0], "is another one now") || s.Count("ACKD") != 1 {
		t.Fatal(got, s.Commands())
	}
	if s.Drop.Len() != 3 {
		t.Fatal("deleted without QUIT")
	}
}

// TestHostile: a server that breaks the protocol ends the session, and no message of it
// counts as whole.
func TestHostile(t *testing.T) {
	for _, tt := range []struct{ at, instead, want string }{
		{"HELO", "#9999999999999999 messages\r\n", "not a reply of POP2"},
		{"HELO", "#2000001 messages\r\n", "more messages than this client takes"},
		{"HELO", "#x\r\n", "not a reply of POP2"},
		{"HELO", "#1 " + strings.Repeat("x", 70<<10), "line too long"},
		{"READ", "=-1\r\n", "not a reply of POP2"},
		{"READ", "=\r\n", "not a reply of POP2"},
		{"READ", "\r\n", "not a reply of POP2"},
		{"RETR", "too short", "closed the connection"},
		{"RETR", strings.Repeat("x", 20) + "=0\r\n", "sent what no command asked for"},
		{"READ", "=20\r\n=20\r\n", "sent what no command asked for"},
		{"ACKS", "- no\r\n", "refused"},
	} {
		s := &pop2test.Server{Drop: &pop3test.Maildrop{}, Change: func(command string) string {
			if strings.HasPrefix(command, tt.at) {
				return tt.instead
			}
			return ""
		}}
		s.Drop.Add("", []byte("Subject: x\r\n\r\nbody\r\n")) // 20 octets
		pop2test.Start(t, s)
		c, err := dial(t, "alice", "secret", nil, s.Port())
		if err == nil {
			_, err = retrieve(t, c, false)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q: %v", tt.at, tt.instead, err)
		}
	}
}

func TestGreetings(t *testing.T) {
	for greeting, want := range map[string]string{
		"+ POP2 here": "", "+": "", "- closed today": "server refused: closed today",
		"+OK ready": "not a POP2 greeting", "* OK IMAP": "not a POP2 greeting", "": "not a POP2 greeting",
	} {
		s := &pop2test.Server{Drop: &pop3test.Maildrop{}, Words: pop2test.Example1}
		s.Words.Greeting = greeting
		pop2test.Start(t, s)
		_, err := dial(t, "alice", "secret", nil, s.Port())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", greeting, err)
		}
	}
}

// TestPatience: a long message behind TOP may take longer than one reply, but not if
// single octets drip.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		octets int
		slow   bool
	}{{4 << 10, true}, {1, false}} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			const size = 256 << 10
			var server sync.WaitGroup
			defer server.Wait()
			server.Go(func() {
				in := make([]byte, 100)
				for _, reply := range []string{"+ POP2 here\r\n", "#1\r\n", fmt.Sprintf("=%d\r\n", size), fmt.Sprintf("=%d\r\n", size)} {
					io.WriteString(theirs, reply) //nolint:errcheck // the client may be gone
					theirs.Read(in)               //nolint:errcheck
				}
				for sent := 0; sent < size; sent += tt.octets {
					time.Sleep(20 * time.Second)
					if _, err := theirs.Write(make([]byte, tt.octets)); err != nil {
						return
					}
				}
				theirs.Read(in)                                      //nolint:errcheck
				io.WriteString(theirs, fmt.Sprintf("=%d\r\n", size)) //nolint:errcheck
			})
			pipe := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
			c, err := dial(t, "alice", "secret", pipe, 109)
			if err == nil {
				_, err = retrieve(t, c, true)
			}
			if (err == nil) != tt.slow || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d octets at a time: %v", tt.octets, err)
			}
			ours.Close()
		})
	}
}
