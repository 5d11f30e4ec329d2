package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProof: a message has an end only if the reply after it says so.
func TestProof(t *testing.T) {
	const (
		retrs = "C: RETR 1\nC: RETR 2\nC: RETR 3\nC: STAT\n"
		fit   = "S: 34567890\nS: .\n" // with the line end 10 octets, as listed
		short = "S: 3\nS: .\n"
	)
	for _, tt := range []struct {
		name, script   string
		single, each   bool
		want           []string
		err            string
		doubt          int // the message that is in doubt, 0 for none
		unsure, behind int
		sure           bool
	}{
		{name: "sizes fit", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + fit +
			"C: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 3 30",
			want: []string{"1: 34567890 sure", "2: 34567890 sure", "3: 34567890 sure"}, sure: true},
		{name: "sizes do not fit", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + short +
			"C: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 3 30",
			want: []string{"1: 34567890 sure", "2: 3", "3: 34567890 sure"}, sure: true},
		{name: "each is proved", each: true, script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + short +
			"C: STAT\nS: +OK 3 30\nC: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 3 30",
			want: []string{"1: 34567890 sure", "2: 3 sure", "3: 34567890 sure"}, sure: true},
		{name: "each is proved, pipelined", each: true, script: capaPipe +
			"C: RETR 1\nC: STAT\nC: RETR 2\nC: STAT\nC: RETR 3\nC: STAT\nS: +OK\n" + fit + "S: +OK 3 30\nS: +OK\n" + short +
			"S: +OK 3 30\nS: +OK\n" + fit + "S: +OK 3 30",
			want: []string{"1: 34567890 sure", "2: 3 sure", "3: 34567890 sure"}, sure: true},
		{name: "the rest follows at once", script: capaLock + `C: RETR 1` + "\n" + `S- +OK\r\nx\r\n.\r\nrest\r\n.\r\n`,
			want: []string{"1! x"}, err: "sent what no command asked for", doubt: 1, sure: true},
		{name: "the rest follows later", script: capaLock + "C: RETR 1\nS: +OK\n" + short + "C: RETR 2\nS: rest",
			want: []string{"1! 3"}, err: "in doubt: after it came what answers no command: retr 2: server broke the protocol",
			doubt: 1, sure: true},
		{name: "the rest follows, pipelined", script: capaPipe + retrs + "S: +OK\n" + fit + "S: +OK\n" + short + "S: rest",
			want: []string{"1: 34567890 sure", "2! 3"}, err: "retr 2: the end of the message is in doubt", doubt: 2, sure: true},
		{name: "garbled after one that fits", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: what?",
			want: []string{"1! 34567890"}, err: "retr 2: server broke the protocol", sure: true},
		{name: "a ghost, pipelined", script: capaPipe + retrs + "S: +OK\n" + short +
			"S: +OK 77 octets\nS: boo\nS: .\nS: +OK\n" + fit + "S: +OK\n" + fit + "S: +OK 3 30",
			want: []string{"1: 3", "2: boo", "3! 34567890"}, err: "the reply is to another command", doubt: 3, unsure: 2},
		{name: "a ghost in lock step", script: capaLock + "C: RETR 1\nS: +OK\n" + short +
			"C: RETR 2\nS: +OK\nS: boo\nS: .\nC: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 10 octets",
			want: []string{"1: 3", "2: boo", "3! 34567890"}, err: "the reply is to another command", doubt: 3, unsure: 2},
		{name: "a refusal that comes late", script: capaLock + "C: RETR 1\nS: +OK\n" + short +
			"C: RETR 2\nS: -ERR failed to read it\nC: STAT\nS: +OK",
			want: []string{"1: 3"}, err: "the reply is to another command", doubt: 1},
		{name: "a refusal in doubt", script: capaLock + "C: RETR 1\nS: +OK\n" + short +
			"C: RETR 2\nS: -ERR no\nC: STAT\nS: +OK 3 30\nC: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 3 30",
			want: []string{"1: 3", "2: refused", "3: 34567890 sure"}, sure: true},
		{name: "answers the next before the end", script: capaPipe + retrs +
			"S: +OK\nS: 34567\nS: +OK 10 octets\nS: 890\nS: .\nS: second\nS: .",
			want: []string{"1! 34567,+OK 10 octets,890"}, err: "retr 1: the end of the message is in doubt", doubt: 1, behind: 1,
			sure: true},
		{name: "hangs up behind the last dot", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "X",
			want: []string{"1! 34567890"}, err: "retr 2: server closed the connection", sure: true},
		{name: "alone, with the rest behind it", single: true, script: capaPipe + "C: RETR 1\nS: +OK\n" + short + "C: STAT\nS: +OK",
			want: []string{"1! 3"}, err: "the reply is to another command", doubt: 1, sure: true},
		{name: "STAT moves", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + fit +
			"C: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: +OK 4 40\nC: STAT\nS: +OK 4 41",
			want: []string{"1: 34567890 sure", "2: 34567890 sure", "3: 34567890 sure"}, sure: true},
		{name: "STAT is refused", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + fit +
			"C: RETR 3\nS: +OK\n" + fit + "C: STAT\nS: -ERR no\nC: STAT\nS: -ERR no",
			want: []string{"1: 34567890 sure", "2: 34567890 sure", "3: 34567890 sure"}, sure: true},
		{name: "more behind STAT", script: capaLock + "C: RETR 1\nS: +OK\n" + fit + "C: RETR 2\nS: +OK\n" + fit +
			"C: RETR 3\nS: +OK\n" + fit + "C: STAT\n" + `S- +OK 3 30\r\n+OK\r\n`,
			want: []string{"1: 34567890 sure", "2: 34567890 sure", "3! 34567890"}, err: "sent what no command asked for", doubt: 3,
			sure: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := talk(t, Server{ProveEach: tt.each}, tt.script, func(ctx context.Context, c *Client) error {
				c.list.stat = "3 30"
				c.OneAtATime(tt.single)
				err := c.Retrieve(ctx, []Message{{"a", 10, 1}, {"b", 10, 2}, {"c", 10, 3}},
					func(m Message, body io.Reader, err error) error {
						got = append(got, outcome(c, m, body, err))
						return nil
					})
				if c.Sure() != tt.sure {
					t.Errorf("Sure is %v", !tt.sure)
				}
				return err
			})
			wantErr(t, err, tt.err)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			var doubt *DoubtError
			if errors.As(err, &doubt) != (tt.doubt > 0) || doubt != nil && doubt.Message.Num != tt.doubt {
				t.Errorf("in doubt: %+v, want %d", doubt, tt.doubt)
			}
			var broke *RetrieveError
			if errors.As(err, &broke) && (len(broke.Unsure) != tt.unsure) {
				t.Errorf("unsure: %v, want %d", broke.Unsure, tt.unsure)
			}
		})
	}
}

// outcome reads a body and says what it was, and "!" if it has no end.
func outcome(c *Client, m Message, body io.Reader, err error) string {
	if err != nil {
		return fmt.Sprintf("%d: refused", m.Num)
	}
	b, err := io.ReadAll(body)
	text := strings.ReplaceAll(strings.TrimSpace(string(b)), "\r\n", ",")
	switch {
	case err != nil:
		return fmt.Sprintf("%d! %s", m.Num, text)
	case c.Sure():
		text += " sure"
	}
	return fmt.Sprintf("%d: %s", m.Num, text)
}

// TestEnough: after ErrEnough nothing more is asked for, what is under way is
// read, and the session goes on.
func TestEnough(t *testing.T) {
	const (
		fit  = "S: +OK\nS: 34567890\nS: .\n"
		noop = "C: NOOP\nS: +OK"
	)
	for _, tt := range []struct {
		name, script string
		at           int // the message whose call returns ErrEnough
		want         []string
	}{
		{"one at a time", capaLock + "C: RETR 1\n" + fit + "C: RETR 2\nS: -ERR limit\nC: STAT\nS: +OK 3 30\n" + noop, 2,
			[]string{"1: 34567890 sure", "2: refused"}},
		{"at a body", capaLock + "C: RETR 1\n" + fit + "C: RETR 2\n" + fit + "C: STAT\nS: +OK 3 30\n" + noop, 1,
			[]string{"1: 34567890 sure", "2: 34567890 sure"}},
		{"pipelined", capaPipe + "C: RETR 1\nC: RETR 2\nC: RETR 3\nC: STAT\nS: -ERR limit\nS: -ERR limit\n" + fit +
			"S: +OK 3 30\n" + noop, 1,
			[]string{"1: refused", "2: refused", "3: 34567890 sure"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := talk(t, Server{}, tt.script, func(ctx context.Context, c *Client) error {
				c.list.stat = "3 30"
				err := c.Retrieve(ctx, []Message{{"a", 10, 1}, {"b", 10, 2}, {"c", 10, 3}},
					func(m Message, body io.Reader, err error) error {
						got = append(got, outcome(c, m, body, err))
						if m.Num == tt.at {
							return ErrEnough
						}
						return nil
					})
				if !errors.Is(err, ErrEnough) {
					t.Errorf("err %v", err)
				}
				return c.Noop(ctx)
			})
			wantErr(t, err, "")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestClosedAfterRefusal: a server that refuses a message and hangs up says why
// it does.
func TestClosedAfterRefusal(t *testing.T) {
	for name, script := range map[string]string{
		"one at a time": capaLock + "C: RETR 1\nS: -ERR limit\nC: RETR 2\nX",
		"pipelined":     capaPipe + "C: RETR 1\nC: RETR 2\nC: STAT\nS: -ERR limit\nX",
		"at the proof":  capaLock + "C: RETR 1\nS: +OK\nS: 3\nS: .\nC: RETR 2\nS: -ERR limit\nC: STAT\nX",
	} {
		t.Run(name, func(t *testing.T) {
			err := talk(t, Server{}, script, func(ctx context.Context, c *Client) error {
				return c.Retrieve(ctx, []Message{{"a", 10, 1}, {"b", 10, 2}}, func(_ Message, body io.Reader, err error) error {
					if err == nil {
						_, err = io.Copy(io.Discard, body)
						return err
					}
					return nil
				})
			})
			wantErr(t, err, "server refused: limit, and then closed the connection")
			if !errors.As(err, new(*ClosedError)) {
				t.Errorf("%#v", err)
			}
		})
	}
}
