package pop3

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestOpen(t *testing.T) {
	for _, tt := range []struct{ name, script, err string }{
		{"plain", "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .", ""},
		{"no capa", "S: +OK hi\nC: CAPA\nS: -ERR what?", ""},
		{"refused", "S: -ERR [IN-USE] go away", "greeting: server refused: [IN-USE] go away"},
		{"escapes", "S: -ERR \x1b[2Jboo\x07", `\x1b[2Jboo\a`},
		{"imap", "S: * OK IMAP4rev1", "not a POP3 greeting"},
		{"hangs up", "X", "server closed the connection"},
		{"mid-line", "S- +OK hal\nX", "server closed the connection"},
		{"silent", "W 31s", "greeting: timeout"},
		{"endless line", "S- +OK " + strings.Repeat("a", 70000), "line too long"},
		{"capa hangs up", "S: +OK\nC: CAPA\nX", "capa: server closed"},
		{"capa hangs", "S: +OK\nC: CAPA\nW 61s", "capa: timeout"},
		{"stuffed capa", "S: +OK\nC: CAPA\nS: +OK\nS: ..X\nS: .", ""},
		{"garbage", "S: +OK\nC: CAPA\nS: hello", `neither +OK nor -ERR: "hello"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantErr(t, talk(t, Server{}, tt.script, nil), tt.err)
		})
	}
}

func TestCapaErrors(t *testing.T) {
	err := talk(t, Server{}, "S: +OK\nC: CAPA\nX", nil)
	var capa *CapaError
	if !errors.As(err, &capa) || capa.Refused() {
		t.Errorf("hung up: %#v", err)
	}
	_ = talk(t, Server{}, "S: +OK\nC: CAPA\nS: -ERR", func(_ context.Context, c *Client) error {
		if c.CapaError() == nil || !c.CapaError().Refused() || c.Capabilities().Known() {
			t.Errorf("refused: %v, %v", c.CapaError(), c.Capabilities())
		}
		return nil
	})
	wantErr(t, talk(t, Server{NoCapa: true}, "S: +OK\n", nil), "")
}

func TestList(t *testing.T) {
	const tail = "C: CAPA\nC: STAT\nC: UIDL\nC: LIST\nS: +OK\nS: PIPELINING\nS: UIDL\nS: .\n"
	for _, tt := range []struct {
		name, script, err string
		want              []Message
		report            ListReport
		noUIDL            bool
	}{
		{name: "in one round trip", script: capaPipe + tail + "S: +OK 2 300\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nS: +OK\nS: 1 100\nS: 2 " +
			"200\nS: .",
			want: []Message{{"a", 100, 1}, {"b", 200, 2}}, report: ListReport{Count: 2, Octets: 300}},
		{name: "lock step", script: capaLock + "C: CAPA\nS: +OK\nS: .\nC: STAT\nS: +OK 1 5\nC: UIDL\nS: +OK\nS: 1 a\nS: .\n" +
			"C: LIST\nS: +OK\nS: 1 5\nS: .",
			want: []Message{{"a", 5, 1}}, report: ListReport{Count: 1, Octets: 5}},
		{name: "odd lines", script: capaPipe + tail + "S: +OK 9 9\nS: +OK\nS:\nS: 1   a b@c/..\t\nS: x\nS: 0 z\nS: 3\n" +
			"S: 99999999999 q\nS: 2 \x1b\xff\nS: 1 dup\nS: .\n" +
			"S: +OK\nS: \nS: 2 -1\nS: 7 5\nS: junk\nS: 1 10 octets\nS: .",
			want: []Message{{"a b@c/..", 10, 1}, {"\x1b\xff", -1, 2}},
			report: ListReport{Count: 9, Octets: 9, Malformed: 4, Example: "x", BadSizes: 1, BadSize: "junk", Duplicates: 1,
				NoSize: 1, NoUID: 1}},
		{name: "descending", script: capaPipe + tail + "S: +OK 3 9\nS: +OK\nS: 3 c\nS: 1 a\nS: 2 b\nS: .\nS: +OK\nS: 1 11\n" +
			"S: 2 22\nS: 3 33\nS: .",
			want: []Message{{"c", 33, 3}, {"a", 11, 1}, {"b", 22, 2}}, report: ListReport{Count: 3, Octets: 9}},
		{name: "no uidl", script: capaPipe + tail + "S: +OK 1 9\nS: -ERR unknown\nS: +OK\nS: 1 9\nS: 1 8\nS: .",
			want: []Message{{"", 9, 1}}, report: ListReport{Count: 1, Octets: 9, Duplicates: 1}, noUIDL: true},
		{name: "no list", script: capaPipe + tail + "S: +OK 1 9\nS: +OK\nS: 1 a\nS: .\nS: -ERR no",
			want: []Message{{"a", -1, 1}}, report: ListReport{Count: 1, Octets: 9, NoSize: 1}},
		{name: "capa refused after the login", script: capaPipe +
			"C: CAPA\nC: STAT\nC: UIDL\nC: LIST\nS: -ERR\nS: +OK 0 0\nS: -ERR nothing\nS: -ERR nothing",
			want: []Message{}, noUIDL: true},
		{name: "empty", script: capaPipe + tail + "S: +OK 0 0\nS: +OK\nS: .\nS: +OK\nS: .", want: []Message{}},
		{name: "uidl temporarily refused", script: capaPipe + tail +
			"S: +OK 1 9\nS: -ERR [SYS/TEMP] later\nS: +OK\nS: 1 9\nS: .", err: "uidl: server refused: [SYS/TEMP] later"},
		{name: "stat refused", script: capaPipe + tail + "S: -ERR bad token\nS: -ERR\nS: -ERR", err: "login accepted, but unusable"},
		{name: "stat refused in lock step", script: capaLock + "C: CAPA\nS: +OK\nS: .\nC: STAT\nS: -ERR no",
			err: "login accepted, but unusable"},
		{name: "too many", script: capaPipe + tail + "S: +OK 1 9\nS: +OK\nS: 1 a\nS: 2 a\nS: 3 a\nS: 4 a\nS: .", err: "more messages than"},
		{name: "cut", script: capaPipe + tail + "S: +OK 1 9\nS: +OK\nS: 1 a\nX", err: "uidl: server closed the connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := talk(t, Server{MaxMessages: 3}, tt.script, func(ctx context.Context, c *Client) error {
				got, err := c.List(ctx)
				if err != nil {
					return err
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(tt.report, c.ListReport()); d != "" {
					t.Error(d)
				}
				if c.HasUIDL() == tt.noUIDL {
					t.Errorf("HasUIDL %v", c.HasUIDL())
				}
				if c.Pipelining() && c.Flights() != 2 {
					t.Errorf("%d flights, want CAPA and the listing", c.Flights())
				}
				return nil
			})
			wantErr(t, err, tt.err)
		})
	}
}

// TestSizesLater: ListUIDs and Sizes come to what List says.
func TestSizesLater(t *testing.T) {
	const first = capaPipe + "C: CAPA\nC: STAT\nC: UIDL\nS: +OK\nS: PIPELINING\nS: UIDL\nS: .\n"
	for _, tt := range []struct {
		name, script string
		want         []Message
		report       ListReport
		noUIDL       bool
	}{
		{name: "two flights", script: first + "S: +OK 2 300\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: +OK\nS: 1 100\nS: 2 200\nS: .",
			want: []Message{{"a", 100, 1}, {"b", 200, 2}}, report: ListReport{Count: 2, Octets: 300}},
		{name: "odd lines", script: first + "S: +OK 9 9\nS: +OK\nS: 2 b\nS: x\nS: 1 a\nS: 2 dup\nS: .\nC: LIST\nS: +OK\n" +
			"S: 1 10\nS: junk\nS: 7 5\nS: .",
			want: []Message{{"b", -1, 2}, {"a", 10, 1}}, report: ListReport{Count: 9, Octets: 9, Malformed: 1, Example: "x",
				BadSizes: 1, BadSize: "junk", Duplicates: 1, NoSize: 1, NoUID: 1}},
		{name: "no list", script: first + "S: +OK 1 9\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: -ERR no",
			want: []Message{{"a", -1, 1}}, report: ListReport{Count: 1, Octets: 9, NoSize: 1}},
		{name: "no uidl", script: first + "S: +OK 1 9\nS: -ERR unknown", report: ListReport{Count: 1, Octets: 9}, noUIDL: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := talk(t, Server{MaxMessages: 3}, tt.script, func(ctx context.Context, c *Client) error {
				got, err := c.ListUIDs(ctx)
				if err != nil {
					return err
				}
				if c.HasUIDL() == tt.noUIDL || c.ListReport().NoSize != 0 || c.Flights() != 2 {
					t.Errorf("after ListUIDs: HasUIDL %v, %+v, %d flights", c.HasUIDL(), c.ListReport(), c.Flights())
				}
				if !tt.noUIDL {
					err = c.Sizes(ctx, got)
				}
				if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(tt.report, c.ListReport()); d != "" {
					t.Error(d)
				}
				return err
			})
			wantErr(t, err, "")
		})
	}
}

func TestRetrieve(t *testing.T) {
	three := []Message{{"a", 10, 1}, {"b", 10, 2}, {"c", 10, 3}}
	const retrs, sure = "C: RETR 1\nC: RETR 2\nC: RETR 3\nC: STAT\n", "S: +OK 3 30\n"
	for _, tt := range []struct {
		name, script string
		lf           bool
		stop         int
		want         []string
		err, after   string
		rejected     bool
	}{
		{name: "pipelined", script: capaPipe + retrs + "S: +OK\nS: ..a\nS: b\nS: 345\nS: .\nS: -ERR gone\nS: +OK\nS: .\n" +
			sure + "C: NOOP\nS: +OK",
			want: []string{".a\r\nb\r\n345\r\n", "", "retr 2: server refused: gone"}},
		{name: "lock step", script: capaLock + "C: RETR 1\nS: +OK\nS: 12345678\nS: .\nC: RETR 2\nS: -ERR\nC: RETR 3\nS: +OK\n" +
			"S: .\nC: STAT\n" + sure + "C: NOOP\nS: +OK", lf: true,
			want: []string{"12345678\n", "retr 2: server refused: no reason given", ""}},
		{name: "stop in the middle", script: capaPipe + retrs + "S: +OK\nS: x\nS: .\nS: +OK\nX", stop: 1,
			want: []string{"x\r\n"}, err: "stop", after: ErrAbandoned.Error()},
		{name: "stop in lock step", script: capaLock + "C: RETR 1\nS: +OK\nS: x\nS: .\nC: RETR 2\nS: +OK\nX", stop: 1,
			want: []string{"x\r\n"}, err: "stop", after: ErrAbandoned.Error()},
		{name: "stop at the last", script: capaPipe + retrs + "S: +OK\nS: .\nS: +OK\nS: .\nS: +OK\nS: z\nS: .\n" + sure +
			"C: NOOP\nS: +OK", stop: 3, want: []string{"", "", "z\r\n"}, err: "stop"},
		{name: "cut in a body", script: capaPipe + retrs + "S: +OK\nS: x\nX", want: []string{"x\r\n!retr 1: server closed the connection"},
			err: "retr 1: server closed", after: "retr 1: server closed"},
		{name: "dot without line end", script: capaPipe + retrs + "S: +OK\nS- x\\r\\n.\nX",
			want: []string{"x\r\n!retr 1: server closed the connection"},
			err:  "retr 1: server closed", after: "retr 1: server closed"},
		{name: "hangs up on pipelining", script: capaPipe + retrs + "X", err: "retr 1: server closed",
			after: "retr 1: server closed", rejected: true},
		{name: "answers one", script: capaPipe + retrs + "S: +OK\nS: .\nX",
			want: []string{"!retr 2: server closed the connection"}, err: "retr 2: server closed", after: "retr 2: ", rejected: true},
		{name: "drops all but one", script: capaPipe + retrs + "S: +OK\nS: .\nW 61s",
			want: []string{"!retr 2: timeout: no answer, or too slow a one"}, err: "retr 2: timeout", after: "retr 2: ", rejected: true},
		{name: "hangs up in lock step", script: capaLock + "C: RETR 1\nX", err: "retr 1: server closed", after: "retr 1: "},
		{name: "garbage", script: capaLock + "C: RETR 1\nS: \x1b]0;x\x07", err: `\x1b]0;x\a`, after: "broke the protocol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := talk(t, Server{LF: tt.lf}, tt.script, func(ctx context.Context, c *Client) error {
				err := c.Retrieve(ctx, three, func(m Message, body io.Reader, err error) error {
					text := ""
					if err != nil {
						text = err.Error()
					} else if b, err := io.ReadAll(body); err != nil {
						text = string(b) + "!" + err.Error()
					} else {
						text = string(b)
					}
					if got = append(got, text); len(got) == tt.stop {
						return errStop
					}
					return nil
				})
				wantErr(t, c.Noop(ctx), tt.after)
				return err
			})
			wantErr(t, err, tt.err)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if PipelineRejected(err) != tt.rejected {
				t.Errorf("PipelineRejected(%v) = %v", err, !tt.rejected)
			}
		})
	}
}

func TestUnreadBodies(t *testing.T) {
	var kept io.Reader
	err := talk(t, Server{}, capaPipe+"C: TOP 1 0\nC: TOP 2 0\nS: +OK\nS: a\nS: b\nS: .\nS: +OK\nS: c\nS: .\nC: QUIT\n"+
		"S: +OK", func(ctx context.Context, c *Client) error {
		err := c.Top(ctx, []Message{{Num: 1}, {Num: 2}}, 0, func(m Message, body io.Reader, err error) error {
			if kept != nil {
				_, err := kept.Read(make([]byte, 1))
				wantErr(t, err, errBodyDone.Error())
			}
			kept = body
			return nil
		})
		return errors.Join(err, c.Quit(ctx))
	})
	wantErr(t, err, "")
}

func TestDeleteAndQuit(t *testing.T) {
	two := []Message{{Num: 1}, {Num: 2}}
	for _, tt := range []struct{ name, script, refused, err string }{
		{"in one round trip", capaPipe + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: -ERR no\nS: +OK bye", "dele 2: server refused: no", ""},
		{"lock step", capaLock + "C: DELE 1\nS: +OK\nC: DELE 2\nS: -ERR no\nC: QUIT\nS: +OK", "dele 2: server refused: no", ""},
		{"not all removed", capaPipe + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: +OK\nS: -ERR some left", "",
			"some deletions may not have been done"},
		{"no answer", capaPipe + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: +OK\nX", "", "quit: server closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := talk(t, Server{}, tt.script, func(ctx context.Context, c *Client) error {
				err := c.DeleteAndQuit(ctx, two, func(m Message, err error) error {
					if err != nil {
						wantErr(t, err, tt.refused)
					}
					return nil
				})
				if tt.err == "" && !errors.Is(c.Noop(ctx), ErrClosed) {
					t.Error("client is not closed")
				}
				return err
			})
			wantErr(t, err, tt.err)
		})
	}
}

func TestQuitErrorIsItsOwn(t *testing.T) {
	err := talk(t, Server{}, capaLock+"C: RSET\nS: +OK\nC: QUIT\nS: -ERR", func(ctx context.Context, c *Client) error {
		return errors.Join(c.Reset(ctx), c.Quit(ctx))
	})
	var quit *QuitError
	if !errors.As(err, &quit) {
		t.Errorf("got %v", err)
	}
}
