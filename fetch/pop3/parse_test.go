package pop3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParseRespCode(t *testing.T) {
	for text, want := range map[string]struct {
		code RespCode
		temp bool
	}{
		"[IN-USE] busy":             {InUse, true},
		"[in-use]":                  {InUse, true},
		"[LOGIN-DELAY] 5":           {LoginDelay, true},
		"[SYS/TEMP] x":              {SysTemp, true},
		"[SYS/TEMP/DISK] x":         {SysTemp, true},
		"[SYS/PERM] try again":      {SysPerm, false},
		"[AUTH] try again":          {Auth, false},
		"[UTF8] x":                  {UTF8, false},
		"[SYS] x":                   {Other, false},
		"[X-NEW] try again":         {Other, true},
		"[not a code] x":            {None, false},
		"[open":                     {None, false},
		"maildrop locked":           {None, true},
		"account blocked":           {None, false},
		"Download exceed":           {None, true},
		"too many connections":      {None, true},
		"invalid password":          {None, false},
		"mailbox is in use already": {None, true},
	} {
		e := newError("PASS", []byte(text))
		if e.Code != want.code || e.Temporary() != want.temp {
			t.Errorf("%q: code %d temporary %v, want %v", text, e.Code, e.Temporary(), want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	c := Capabilities{}
	for _, l := range []string{"sasl plain XOAUTH2", "LOGIN-DELAY 300 USER", "EXPIRE 0", "IMPLEMENTATION a\x1b b", "", "TOP",
		"expire NEVER"} {
		c.parseCapa([]byte(l))
	}
	delay, perUser := c.LoginDelay()
	days, ok := c.Expire()
	got := []any{c.Mechanisms(), delay, perUser, days, ok, c.Implementation(), c.Has("TOP"), c.Has("STLS"), c.Known()}
	want := []any{[]string{"PLAIN", "XOAUTH2"}, 300 * time.Second, true, 0, true, `a\x1b b`, true, false, true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func FuzzStatus(f *testing.F) {
	for _, s := range []string{"+OK", "-ERR [AUTH] x", "-ERR [", "+", "-ERR \x1b[2J\xff\u202e", "-err]"} {
		f.Add([]byte(s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &Client{dialogue: dialogue{s: &Server{}}}
		c.w.init(readConn{r: bytes.NewReader(in)}, c.s)
		_, err := c.status("NOOP", 0)
		if err != nil && (!printable(err.Error()) || len(err.Error()) > 10*maxShown) {
			t.Errorf("error shows raw or endless text: %q", err)
		}
	})
}

func FuzzCapa(f *testing.F) {
	f.Add("SASL PLAIN\nEXPIRE 0 USER\nLOGIN-DELAY 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, in string) {
		c := Capabilities{}
		for l := range strings.Lines(in) {
			c.parseCapa([]byte(l))
		}
		if d, _ := c.LoginDelay(); d < 0 {
			t.Errorf("delay %v", d)
		}
		for name, args := range c {
			if !printable(name + strings.Join(args, "")) {
				t.Errorf("raw text in %q %q", name, args)
			}
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add("1 a\n2 b\n2 c\n", "1 1\n2 -1\n3 3\n", true)
	f.Add("3 a\n1 b\n1 b\n", "1 1\n3 1\n1 2\n", true)
	f.Add("", "2 1\n1 1\n2 2\n", false)
	f.Fuzz(func(t *testing.T, uidl, list string, has bool) {
		b := builder{max: 100, uidl: has}
		entries := 0
		if has {
			for l := range strings.Lines(uidl) {
				b.addUID([]byte(l[:len(l)-1]))
				entries++
			}
		}
		b.beginSizes()
		for l := range strings.Lines(list) {
			b.addSize([]byte(l[:len(l)-1]))
			entries++
		}
		seen := map[int]bool{}
		for _, m := range b.finish() {
			if m.Num < 1 || seen[m.Num] || m.Size < -1 || has == (m.UID == "") || len(m.UID) > 1000 ||
				strings.ContainsAny(m.UID, "\x00\r\n") {
				t.Errorf("bad message %+v", m)
			}
			seen[m.Num] = true
		}
		if b.report.Malformed+b.report.BadSizes+b.report.Duplicates > entries || !printable(b.report.Example+b.report.BadSize) {
			t.Errorf("bad report %+v", b.report)
		}
	})
}

// FuzzSession lets arbitrary octets answer everything a client does.
func FuzzSession(f *testing.F) {
	const head = "+OK <a@b>\r\n+OK\r\nPIPELINING\r\nUSER\r\nSASL X\r\n.\r\n"
	f.Add([]byte(head+"+OK\r\n+OK\r\n+OK\r\n.\r\n+OK 1 1\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n1 1\r\n.\r\n+OK\r\nbody\r\n.\r\n+OK\r\n"+
		"+OK\r\n"), uint8(0))
	f.Add([]byte(head+"+ \r\n+OK\r\n+OK\r\n.\r\n+OK 1 1\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n1 1\r\n.\r\n-ERR\r\n+OK\r\n+OK\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, mode uint8) {
		s := &Server{Security: Plain, Insecure: true, UTF8: true, LF: mode&1 != 0, Pipelining: Pipelining(mode >> 1 & 1), MaxMessages: 1000}
		s.Trace = func(_ bool, line string) {
			if !printable(line) {
				t.Errorf("raw text in trace: %q", line)
			}
		}
		s.Logins = []Login{{Name: "USER", User: "u", Password: password("p")}}
		if mode&4 != 0 {
			s.Logins = []Login{saslLogin(&mech{name: "X", answers: []string{"a", "b"}})}
		}
		fuzzSession(t, s, in)
	})
}

func fuzzSession(t *testing.T, s *Server, in []byte) {
	ctx := context.Background()
	check := func(err error) {
		if err != nil && !printable(err.Error()) {
			t.Errorf("raw text in error: %q", err)
		}
	}
	c, err := NewClient(ctx, readConn{r: bytes.NewReader(in)}, s)
	if check(err); err != nil {
		return
	}
	check(c.Login(ctx))
	msgs, err := c.List(ctx)
	check(err)
	check(c.Top(ctx, msgs, 0, func(Message, io.Reader, error) error { return nil }))
	check(c.Retrieve(ctx, msgs, func(_ Message, body io.Reader, err error) error {
		if check(err); err == nil {
			_, err = io.Copy(io.Discard, body)
			check(err)
		}
		return nil
	}))
	check(c.DeleteAndQuit(ctx, msgs, nil))
}

func listing(n int) (uidl, list []byte) {
	for i := 1; i <= n; i++ {
		uidl = fmt.Appendf(uidl, "%d %020d\r\n", i, i)
		list = fmt.Appendf(list, "%d %d\r\n", i, 1000+i)
	}
	return uidl, list
}

func listReplies(n int) []byte {
	uidl, list := listing(n)
	return fmt.Appendf(nil, "+OK\r\n+OK %d 1\r\n+OK\r\n%s.\r\n+OK\r\n%s.\r\n", n, uidl, list)
}

func TestMillionMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("a million lines")
	}
	const n = 1_000_000
	in := listReplies(n)
	c, err := NewClient(t.Context(), readConn{r: bytes.NewReader(in)}, &Server{Security: Plain, NoCapa: true})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	msgs, err := c.List(t.Context())
	runtime.ReadMemStats(&after)
	if err != nil || len(msgs) != n || msgs[n-1] != (Message{"00000000000001000000", 1000 + n, n}) {
		t.Fatal(err, len(msgs))
	}
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 70 {
		t.Errorf("allocated %d MiB", mib)
	}
	if allocs := after.Mallocs - before.Mallocs; allocs > 2000 {
		t.Errorf("%d allocations", allocs)
	}
}

func BenchmarkList(b *testing.B) {
	const n = 100_000
	in := listReplies(n)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := NewClient(b.Context(), readConn{r: bytes.NewReader(in)}, &Server{Security: Plain, NoCapa: true})
		if err != nil {
			b.Fatal(err)
		}
		if msgs, err := c.List(b.Context()); err != nil || len(msgs) != n {
			b.Fatal(err)
		}
	}
}
