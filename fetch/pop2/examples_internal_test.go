package pop2

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop2/pop2test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// The first two examples of RFC 937, byte for byte; a message is "@" and its length.
const (
	example1 = `
S: + POP2 USC-ISIF.ARPA Server
C: HELO POSTEL SECRET
S: #2 messages in your mailbox
C: READ
S: =537 characters in message 1
C: RETR
S: @537
C: ACKD
S: =234 characters in message 2
C: RETR
S: @234
C: ACKD
S: =0 no more messages
C: QUIT
S: + OK, bye, bye
S! close
`
	example2 = `
S: + POP2 ISI-VAXA.ARPA server here
C: HELO smith secret
S: #35 messages
C: FOLD /usr/spool/mail/smith
S: #27 messages
C: READ 27
S: =10123 characters in that message
C: RETR
S: @10123
C: ACKS
S: =0 no more messages
C: QUIT
S: + bye, call again sometime.
S! close
`
)

// sized is a message of so many octets.
func sized(n int) []byte {
	const head = "Subject: x\r\n\r\n"
	return fmt.Appendf(nil, "%s%s\r\n", head, strings.Repeat("x", n-len(head)-2))
}

// scripted is an example with its messages, as a dialogue for pop3test.
func scripted(example string) string {
	var b strings.Builder
	for line := range strings.Lines(example) {
		var n int
		if _, err := fmt.Sscanf(line, "S: @%d", &n); err == nil {
			line = fmt.Sprintf("S\" %s\"\n", strings.ReplaceAll(string(sized(n)), "\r\n", `\r\n`))
		}
		b.WriteString(line)
	}
	return b.String()
}

// TestExamplesAsClient sends what the client of the examples sends.
func TestExamplesAsClient(t *testing.T) {
	for _, tt := range []struct {
		script    string
		login     [2]string
		read, ack string
		sizes     []int64
	}{
		{example1, [2]string{"POSTEL", "SECRET"}, "READ", "ACKD", []int64{537, 234}},
		{example2, [2]string{"smith /usr/spool/mail/smith", "secret"}, "READ 27", "ACKS", []int64{10123}},
	} {
		c := newConn(pop3test.ScriptConn(t, scripted(tt.script)), func(bool, string) {})
		if _, err := c.greet(); err != nil {
			t.Fatal(err)
		}
		c.user = tt.login[0]
		if err := c.login(tt.login[1]); err != nil {
			t.Fatal(err)
		}
		size, err := c.ask(tt.read, '=')
		for _, want := range tt.sizes {
			if err != nil || size != want {
				t.Fatalf("%d octets, want %d: %v", size, want, err)
			}
			var got []byte
			err := c.send("RETR", "RETR")
			if err == nil {
				err = c.message(size, func(p []byte) { got = append(got, p...) })
			}
			if err != nil || string(got) != string(sized(int(want))) {
				t.Fatalf("%q: %v", got, err)
			}
			size, err = c.ask(tt.ack, '=')
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.ask("QUIT", '+'); err != nil || size != 0 {
			t.Fatal(size, err)
		}
		c.Close()
	}
}

// TestExamplesAsServer compares what the tests' server sends with the examples.
func TestExamplesAsServer(t *testing.T) {
	drop := func(sizes ...int) *pop3test.Maildrop {
		d := &pop3test.Maildrop{}
		for _, n := range sizes {
			d.Add("", sized(n))
		}
		return d
	}
	many := make([]int, 26)
	for i := range many {
		many[i] = 100
	}
	for script, s := range map[string]*pop2test.Server{
		example1: {User: "POSTEL", Password: "SECRET", Words: pop2test.Example1, Drop: drop(537, 234)},
		example2: {User: "smith", Password: "secret", Words: pop2test.Example2, Drop: drop(append(many, many[:9]...)...),
			Folders: map[string]*pop3test.Maildrop{"/usr/spool/mail/smith": drop(append(many, 10123)...)}},
	} {
		pop2test.Start(t, s)
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		in := bufio.NewReader(conn)
		for line := range strings.Lines(strings.TrimSpace(script)) {
			kind, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			want := text + "\r\n"
			var n int
			if _, err := fmt.Sscanf(text, "@%d", &n); err == nil {
				want = string(sized(n))
			}
			switch kind {
			case "C:":
				_, _ = io.WriteString(conn, want)
			case "S:":
				got := make([]byte, len(want))
				if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
					t.Fatalf("%q, want %q: %v", got, want, err)
				}
			case "S!":
				if _, err := in.ReadByte(); err != io.EOF {
					t.Fatalf("still open: %v", err)
				}
			}
		}
		conn.Close()
	}
}
