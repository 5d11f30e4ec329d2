package pop3

import (
	"context"
	"errors"
	"strconv"
)

// Delete marks messages for deletion (DELE); the server deletes them at Quit.
// Fn, which may be nil, gets nil or the server's *Error for each; its error ends
// the command as in Retrieve.
func (c *Client) Delete(ctx context.Context, msgs []Message, fn func(Message, error) error) error {
	return c.run(ctx, func() error { return c.do(c.deletions(msgs, fn)) })
}

// DeleteAndQuit is Delete and then Quit, in one round trip if the session is
// pipelined. QUIT may be on its way before fn hears of the first refusal, so
// an error of fn does not undo it.
func (c *Client) DeleteAndQuit(ctx context.Context, msgs []Message, fn func(Message, error) error) error {
	return c.run(ctx, func() error {
		b := c.deletions(msgs, fn)
		dele, reply := b.command, b.reply
		b.n++
		b.command = func(dst []byte, i int) []byte {
			if i == len(msgs) {
				if c.quitAt == 0 {
					c.quitAt = c.w.queued + 1
				}
				return append(dst, "QUIT"...)
			}
			return dele(dst, i)
		}
		b.reply = func(i int) error {
			if i == len(msgs) {
				return c.readQuit()
			}
			return reply(i)
		}
		return c.do(b)
	})
}

func (c *Client) deletions(msgs []Message, fn func(Message, error) error) batch {
	return batch{
		n: len(msgs),
		command: func(dst []byte, i int) []byte {
			return strconv.AppendInt(append(dst, "DELE "...), int64(msgs[i].Num), 10)
		},
		octets: func(int) int64 { return 0 },
		reply: func(i int) error {
			_, err := c.status("DELE", msgs[i].Num)
			var refused *Error
			if err != nil && !errors.As(err, &refused) {
				return err
			}
			if err == nil {
				c.marked++
			}
			if fn == nil {
				return nil
			}
			if ferr := fn(msgs[i], err); ferr != nil {
				return c.stop(ferr)
			}
			return nil
		},
	}
}
