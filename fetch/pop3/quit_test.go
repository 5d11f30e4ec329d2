package pop3

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// empties puts n empty lines before each status line of a script.
func empties(script string, n int) string {
	for _, status := range []string{"S: +OK", "S: -ERR"} {
		script = strings.ReplaceAll(script, status, strings.Repeat("S: \n", n)+status)
	}
	return script
}

// TestEmptyLinesBeforeAReply: they are skipped, but not for ever, and none is
// taken for data that nobody asked for.
func TestEmptyLinesBeforeAReply(t *testing.T) {
	const session = capaLock + "C: CAPA\nS: +OK\nS: USER\nS: .\nC: STAT\nS: +OK 2 9\nC: UIDL\nS: +OK\nS: \nS: 1 a\nS: 2 b\n" +
		"S: .\nC: LIST\nS: +OK\nS:  \t\nS: 1 5\nS: 2 4\n"
	const end = "S: .\n"
	const rest = "C: RETR 1\nS: +OK\nS: Subject: x\nS: \nS: body\nS: .\nC: RETR 2\nS: -ERR gone\nC: STAT\nS: +OK 2 9\n" +
		"C: DELE 1\nS: +OK\nC: QUIT\nS: +OK\n"
	for _, tt := range []struct {
		name, script, err string
	}{
		{"none", session + end + rest, ""},
		{"one", empties(session+end+rest, 1), ""},
		{"the most", empties(session+end+rest, maxEmpty), ""},
		{"bare LF", strings.ReplaceAll(session+end+rest, "S: +OK", `S- \n`+"\nS: +OK"), ""},
		{"before they are asked for", session + `S- .\r\n\r\n\n\r` + "\n" + strings.Replace(rest, "S: +OK", `S- \n`+"\nS: +OK", 1), ""},
		{"too many", empties("S: +OK hi", maxEmpty+1), "greeting: server broke the protocol"},
		{"at DELE for ever", session + end + rest[:strings.Index(rest, "S: +OK\nC: QUIT")] + strings.Repeat("S: \n",
			maxEmpty+1), "dele 1: server broke the protocol"},
		{"with a word behind it", session + `S- .\r\n\r\n+OK planted\r\n`, "sent what no command asked for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			err := talk(t, Server{}, tt.script, func(ctx context.Context, c *Client) error {
				msgs, err := c.List(ctx)
				if err != nil {
					return err
				}
				if rep := c.ListReport(); rep.Malformed != 0 || len(msgs) != 2 {
					t.Errorf("%d messages, %+v", len(msgs), rep)
				}
				err = c.Retrieve(ctx, msgs, func(_ Message, r io.Reader, refused error) error {
					if refused == nil {
						b, err := io.ReadAll(r)
						body += string(b)
						return err
					}
					return nil
				})
				if err != nil {
					return err
				}
				return c.DeleteAndQuit(ctx, msgs[:1], nil)
			})
			wantErr(t, err, tt.err)
			if err == nil && body != "Subject: x\r\n\r\nbody\r\n" {
				t.Errorf("body %q", body)
			}
		})
	}
}

// TestQuitTakesItsTime: after deletions it may take much longer than timeout.
func TestQuitTakesItsTime(t *testing.T) {
	for _, tt := range []struct {
		name, wait string
		messages   int
		err        string
		timeout    bool
	}{
		{"nothing to delete", "59s", 0, "", false},
		{"nothing to delete, too slow", "61s", 0, "quit: timeout: no answer in 1m0s", true},
		{"deletes two", "180s", 2, "", false},
		{"deletes two, too slow", "182s", 2, "quit: timeout: no answer in 3m1s", true},
		{"drips after that", "drip", 2, "quit: timeout", true},
		{"hangs up", "", 2, "quit: server closed the connection", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			msgs := []Message{{"a", 1, 1}, {"b", 1, 2}}[:tt.messages]
			script := capaLock + strings.Join([]string{"", "C: DELE 1\nS: +OK\n",
				"C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\n"}[tt.messages:tt.messages+1], "") + "C: QUIT\n"
			switch tt.wait {
			case "":
				script += "X"
			case "drip":
				script += "W 100s\nS- +\nW 50s\nS- O\nW 50s\nS- K\n"
			default:
				script += "W " + tt.wait + "\nS: +OK\n"
			}
			err := talk(t, Server{}, script, func(ctx context.Context, c *Client) error { return c.DeleteAndQuit(ctx, msgs, nil) })
			wantErr(t, err, tt.err)
			var conn *ConnError
			if errors.As(err, &conn) && conn.Timeout() != tt.timeout {
				t.Errorf("%#v", conn)
			}
		})
	}
	for _, tt := range []struct {
		idle      time.Duration
		deletions int
		want      time.Duration
	}{
		{time.Minute, 0, time.Minute}, {time.Minute, 1, 3*time.Minute + time.Second/2}, {2 * time.Second, 30, 21 * time.Second},
		{time.Minute, 1_000_000, 10 * time.Minute}, {time.Hour, 1_000_000, time.Hour}, {time.Hour, 0, time.Hour},
	} {
		if got := quitWait(tt.idle, tt.deletions); got != tt.want {
			t.Errorf("timeout %s, %d deletions: %s, want %s", tt.idle, tt.deletions, got, tt.want)
		}
	}
}

// TestQuitSent: only what was handed to the connection may have been obeyed.
func TestQuitSent(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         bool
	}{
		{"lock step, ends at DELE", capaLock + "C: DELE 1\nS: +OK\nC: DELE 2\nX", false},
		{"lock step, garbled at DELE", capaLock + "C: DELE 1\nS: what?", false},
		{"lock step, ends at QUIT", capaLock + "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\nC: QUIT\nX", true},
		{"pipelined, ends at DELE", capaPipe + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nX", true},
		{"done", capaPipe + "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: +OK\nS: +OK", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_ = talk(t, Server{}, tt.script, func(ctx context.Context, c *Client) error {
				if c.QuitSent() {
					t.Error("sent before it was asked for")
				}
				err := c.DeleteAndQuit(ctx, []Message{{"a", 1, 1}, {"b", 1, 2}}, nil)
				if c.QuitSent() != tt.want {
					t.Errorf("sent: %t; %v", c.QuitSent(), err)
				}
				return err
			})
		})
	}
}
