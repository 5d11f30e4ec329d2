package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"* OK [APPENDUID 1 2:3] done\r\n", "* OK code APPENDUID args 1 2:3 text done"},
		{"m1 OK\r\n", "m1 OK code  args  text "},
		{"m1 NO\n", "m1 NO code  args  text "},
		{"* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n", `* OK code PERMANENTFLAGS args (\Seen \*) text x`},
		{"+ \r\n", "+ text "},
		{"+\r\n", "+ text "},
		{"* 3 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] {3}\r\na\r\n)\r\n",
			`* 3 FETCH [[UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] "a\r\n"]]`},
		{"* LIST (\\Noselect \\All) \"/\" \"a \\\"b\\\\\"\r\n", `* LIST [[\Noselect \All] "/" "a \"b\\"]`},
		{"* LIST () NIL {2}\r\nxy\r\n", `* LIST [[] NIL "xy"]`},
		{"* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n", `* NAMESPACE [[["INBOX." "."]] NIL NIL]`},
		{"* 12 EXISTS\r\n", "* 12 EXISTS []"},
		{"* THREAD {3}\r\n)))\r\n", "* THREAD []"},
		{"* LIST (((((((((((((((((((\r\n", "error"},
		{"* LIST (a\r\n", "error"},
		{"* 1 FETCH (UID 7 BODY[] {1073741824}\r\n", "error"},
		{"* 1 FETCH (FLAGS {99999999999999999999}\r\n", "error"},
		{strings.Repeat("x", 2<<20), "error"},
		{"* FOO {2000000}\r\n", "error"},
		{"m1 DATA\r\n", "error"},
	}
	for _, tt := range tests {
		p := parser{br: bufio.NewReader(strings.NewReader(tt.in))}
		r, err := p.next()
		got := "error"
		if err == nil {
			got = show(r)
		}
		if got != tt.want {
			t.Errorf("%.60q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func show(r *reply) string {
	num := ""
	if r.num != 0 {
		num = fmt.Sprintf("%d ", r.num)
	}
	switch {
	case r.tag == "+":
		return "+ text " + r.text
	case r.vals == nil && strings.Contains("OK NO BAD BYE PREAUTH", r.name):
		return fmt.Sprintf("%s %s code %s args %s text %s", r.tag, r.name, r.code, r.args, r.text)
	}
	return fmt.Sprintf("%s %s%s %s", r.tag, num, r.name, showAll(r.vals))
}

func showAll(vals []value) string {
	var out []string
	for _, v := range vals {
		switch v.kind {
		case isAtom:
			out = append(out, v.s)
		case isString:
			out = append(out, fmt.Sprintf("%q", v.s))
		default:
			out = append(out, showAll(v.list))
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}

// FuzzReply: whatever a server sends is parsed in bounded memory.
func FuzzReply(f *testing.F) {
	f.Add([]byte("* 3 FETCH (UID 7 RFC822.SIZE 3 BODY[] {3}\r\na\r\n)\r\nm1 OK [APPENDUID 1 2:3] x\r\n"))
	f.Add([]byte("* LIST (\\All) \"/\" {2}\r\nxy\r\n* BYE [x\r\n* OK [] \r\n"))
	f.Add([]byte("* 1 FETCH (BODY[] \"q\\\"\" ENVELOPE (((\"a\" NIL)) NIL))\r\n+ eA==\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var body bytes.Buffer
		p := parser{br: bufio.NewReader(bytes.NewReader(b)), body: func(n int64, r io.Reader) error {
			_, err := io.CopyN(&body, r, min(n, 1<<10))
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}}
		for range 100 {
			r, err := p.next()
			if err != nil {
				return
			}
			if e, ok := entryOf(r); ok && e.uid == 0 {
				t.Errorf("an entry without UID")
			}
			_, uids := appendUID(r, 3)
			if uids != nil && len(uids) != 3 {
				t.Errorf("%d UIDs", len(uids))
			}
			if s := r.line(); strings.ContainsAny(s, "\r\n\x1b") || len(s) > 2*remote.MaxText {
				t.Errorf("shown as %q", s)
			}
		}
	})
}

func TestMailboxNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"INBOX": "INBOX", "Tom & Jerry": "Tom &- Jerry", "Entwürfe": "Entw&APw-rfe", "台北": "&U,BTFw-",
		"~peter/mail/日本語/台北": "~peter/mail/&ZeVnLIqe-/&U,BTFw-", "😀": "&2D3eAA-",
	} {
		if got := encodeName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if got := decodeName(want); got != name {
			t.Errorf("%s: got %s, want %s", want, got, name)
		}
	}
	for _, bad := range []string{"&", "&A-", "&!!-"} {
		if got := decodeName(bad); got != bad {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// TestLogin: what a session does until it is logged in.
func TestLogin(t *testing.T) {
	t.Parallel()
	plain := login.Login{Mechanism: "PLAIN", Clear: true, New: func(context.Context, []string,
		*tls.ConnectionState) (login.Mechanism, error) {
		return &plainMechanism{}, nil
	}}
	tests := []struct {
		name, caps, greeting string
		change               func(*Options)
		on                   func(s *fakeSession, line string) bool
		want                 string
	}{
		{name: "LOGIN"},
		{name: "PLAIN with SASL-IR", caps: "IMAP4rev1 SASL-IR AUTH=PLAIN LOGINDISABLED",
			change: func(o *Options) { o.Logins = []login.Login{plain} },
			on:     authenticate("AUTHENTICATE PLAIN AGEAYg==")},
		{name: "PLAIN", caps: "IMAP4rev1 AUTH=PLAIN", change: func(o *Options) { o.Logins = []login.Login{plain} },
			on: authenticate("AUTHENTICATE PLAIN")},
		{name: "LOGINDISABLED", caps: "IMAP4rev1 LOGINDISABLED", want: fmt.Sprintf("unavailable, cause %d, pause 0s", NoLogin)},
		{name: "not without TLS", change: func(o *Options) { o.Secure = false }, want: fmt.Sprintf("denied, cause %d, pause 0s", Insecure)},
		{name: "wrong password", on: answer1("LOGIN", "NO [AUTHENTICATIONFAILED] no"),
			want: fmt.Sprintf("denied, cause %d, pause 0s", LoginRefused)},
		{name: "no code", on: answer1("LOGIN", "NO invalid"), want: fmt.Sprintf("denied, cause %d, pause 0s", LoginRefused)},
		{name: "too many connections", on: answer1("LOGIN", "NO [LIMIT] Too many"),
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", Throttled)},
		{name: "not now", on: answer1("LOGIN", "NO [UNAVAILABLE] x"), want: fmt.Sprintf("unavailable, cause %d, pause 0s", LoginLater)},
		{name: "mailbox refused", on: answer1("STATUS", "NO [CANNOT] x"),
			want: fmt.Sprintf("cannot create, cause %d, pause 0s", MailboxRefused)},
		{name: "another protocol", greeting: "+OK POP3 ready", want: fmt.Sprintf("unavailable, cause %d, pause 0s", NotIMAP)},
		{name: "BYE", greeting: "* BYE too busy", want: fmt.Sprintf("unavailable, cause %d, pause 0s", Busy)},
		{name: "STARTTLS not offered", change: func(o *Options) { o.StartTLS = noTLS },
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", TLSNotOffered)},
		{name: "text before TLS", caps: "IMAP4rev1 STARTTLS", change: func(o *Options) { o.StartTLS = noTLS },
			on: func(s *fakeSession, line string) bool {
				if line == "STARTTLS" {
					s.say("%s OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN", s.tag)
				}
				return line == "STARTTLS"
			}, want: fmt.Sprintf("unavailable, cause %d, pause 0s", Tampered)},
		{name: "PREAUTH before TLS", greeting: "* PREAUTH [CAPABILITY IMAP4rev1] x", change: func(o *Options) { o.StartTLS = noTLS },
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", Tampered)},
		{name: "waits for TLS", change: func(o *Options) { o.Connect, o.Timeout = ungreeted(nil, false), 50*time.Millisecond },
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", NoGreeting)},
		{name: "hangs up", change: func(o *Options) { o.Connect = ungreeted(nil, true) },
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", NoGreeting)},
		{name: "hangs up after TLS", change: func(o *Options) { o.Connect = ungreeted(&tls.ConnectionState{}, true) },
			want: fmt.Sprintf("unavailable, cause %d, pause 0s", Lost)},
		{name: "silent", on: func(*fakeSession, string) bool { return true },
			change: func(o *Options) { o.Timeout = 50 * time.Millisecond },
			want:   fmt.Sprintf("unavailable, cause %d, pause 0s", Silent)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t, &fake{caps: tt.caps, greeting: tt.greeting, on: tt.on})
			o := f.options()
			if tt.change != nil {
				tt.change(&o)
			}
			d := New(o)
			defer d.Close()
			_, err := d.Begin(t.Context())
			if got := describe(err); err != nil && got != tt.want || err == nil && tt.want != "" {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}

// ungreeted connects to a server that says nothing, or hangs up at once.
func ungreeted(state *tls.ConnectionState, hangsUp bool) func(context.Context) (net.Conn, *tls.ConnectionState, error) {
	return func(context.Context) (net.Conn, *tls.ConnectionState, error) {
		client, server := net.Pipe()
		if hangsUp {
			_ = server.Close()
		}
		return client, state, nil
	}
}

func noTLS(context.Context, net.Conn) (net.Conn, *tls.ConnectionState, error) {
	return nil, nil, errors.New("no handshake in this test")
}

// answer1 answers the commands with a verb.
func answer1(verb, text string) func(*fakeSession, string) bool {
	return func(s *fakeSession, line string) bool {
		if strings.HasPrefix(line, verb) {
			s.say("%s %s", s.tag, text)
		}
		return strings.HasPrefix(line, verb)
	}
}

// authenticate is a server that wants just this command, and the rest after it.
func authenticate(want string) func(*fakeSession, string) bool {
	return func(s *fakeSession, line string) bool {
		if !strings.HasPrefix(line, "AUTHENTICATE") {
			return false
		}
		if response := ""; line == "AUTHENTICATE PLAIN" {
			s.say("+ ")
			response, _ = s.br.ReadString('\n')
			line += " " + strings.TrimSpace(response)
			want = "AUTHENTICATE PLAIN AGEAYg=="
		}
		if line != want {
			s.say("%s NO [AUTHENTICATIONFAILED] %s", s.tag, line)
			return true
		}
		s.say("%s OK [CAPABILITY IMAP4rev1 UIDPLUS] in", s.tag)
		return true
	}
}

type plainMechanism struct{}

func (*plainMechanism) Start() (string, []byte, error)      { return "PLAIN", []byte("\x00a\x00b"), nil }
func (*plainMechanism) Next(c []byte) (r []byte, err error) { return nil, errors.New("no more") }

// TestTokenOfSeveral: sessions that begin with one token, which the server does not take
// any more, all get the next one.
func TestTokenOfSeveral(t *testing.T) {
	t.Parallel()
	var token atomic.Int64
	var both sync.WaitGroup // sessions that show the first token
	both.Add(2)
	f := startFake(t, &fake{caps: "IMAP4rev1 AUTH=PLAIN SASL-IR", on: func(s *fakeSession, line string) bool {
		switch {
		case !strings.HasPrefix(line, "AUTHENTICATE"):
			return false
		case line == "AUTHENTICATE PLAIN MA==":
			both.Done()
			both.Wait()
			s.say("%s NO [AUTHENTICATIONFAILED] expired", s.tag)
		default:
			s.say("%s OK in", s.tag)
		}
		return true
	}})
	o := f.options()
	o.Logins = []login.Login{{Mechanism: "PLAIN", New: func(context.Context, []string, *tls.ConnectionState) (login.Mechanism, error) {
		return tokenMechanism(fmt.Sprint(token.Load())), nil
	}, Renew: func(context.Context) error {
		if !token.CompareAndSwap(0, 1) {
			return errors.New("there is no other token")
		}
		return nil
	}}}
	o = o.withDefaults()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if c, err := connect(t.Context(), &o); err != nil {
				t.Error(err)
			} else {
				c.logout()
			}
		})
	}
	wg.Wait()
}

type tokenMechanism string

func (m tokenMechanism) Start() (string, []byte, error)  { return "PLAIN", []byte(m), nil }
func (tokenMechanism) Next([]byte) (r []byte, err error) { return nil, errors.New("no more") }

// TestDedupe: what the mailbox has is not delivered again.
func TestDedupe(t *testing.T) {
	t.Parallel()
	for _, by := range []SameBy{SameContent, SameMessageID} {
		f := startFake(t, &fake{})
		msgs := letters(4)
		d := New(f.options())
		deliverAll(t, d, msgs[:2]...)
		_ = d.Close()
		dd := NewDedupe(New(f.options()), by, false)
		other := append([]byte(nil), msgs[0]...)
		other[len(other)-2] = 'x' // the Message-ID of the first one
		intents, results := deliverAll(t, dd, msgs[0], msgs[2], msgs[2], other, msgs[3])
		want := map[SameBy]string{SameContent: "10100", SameMessageID: "10110"}[by]
		got := ""
		for i := range results {
			if results[i].Err != nil {
				t.Error(results[i].Err)
			}
			got += map[bool]string{true: "1", false: "0"}[intents[i].Skipped]
		}
		if got != want {
			t.Errorf("by %d: skipped %s, want %s", by, got, want)
		}
		if fate, err := dd.(deliver.Recoverer).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Visible {
			t.Errorf("recover: %v %v", fate, err)
		}
		if b := readBack(t, f.options(), intents[0].Receipt); !bytes.Equal(b, msgs[0]) {
			t.Errorf("%q", b)
		}
		if err := dd.Close(); err != nil {
			t.Error(err)
		}
	}
}
