package pop3

const (
	windowCommands = 1000
	windowLine     = 16 << 10 // octets of commands ahead: fits any socket buffer, so neither side can block the other
	windowOctets   = 16 << 20 // octets of bodies ahead: what is wasted if we stop
)

// batch is a run of commands whose replies come in order.
type batch struct {
	n int
	// command appends command i, without CRLF.
	command func(dst []byte, i int) []byte
	// octets is what the reply to command i is expected to weigh.
	octets func(i int) int64
	// reply reads the reply to command i. An error ends the batch.
	reply func(i int) error
}

// window is how far a batch is ahead of its replies.
type window struct {
	sent        int // commands sent
	line, body  int64
	scratch     []byte
	limit       int
	lowCommands int
}

// do runs a batch: with commands ahead of the replies if the session is
// pipelined, else one at a time.
func (c *Client) do(b batch) error {
	w := window{limit: 1, lowCommands: 0}
	if c.Pipelining() {
		w.limit, w.lowCommands = windowCommands, windowCommands*3/4
	}
	c.base = c.w.replies
	defer c.w.expect(0)
	for i := range b.n {
		c.ahead(&w, b, i)
		c.w.expect(w.body)
		if err := b.reply(i); err != nil {
			return err
		}
	}
	return nil
}

// ahead queues commands before reply i is read. Message i itself weighs
// nothing from now on: the next ones are asked for while it is being read.
// It waits until a quarter of the window is free, so that a write carries many
// commands, and it always has one command ahead, however big its message.
func (c *Client) ahead(w *window, b batch, i int) {
	if i < w.sent {
		w.scratch = b.command(w.scratch[:0], i)
		w.line -= int64(len(w.scratch)) + 2
		w.body -= b.octets(i)
		if w.sent-i-1 > w.lowCommands || w.sent > i+1 && (w.line > windowLine*3/4 || w.body > windowOctets*3/4) {
			return
		}
	}
	for w.sent < b.n && w.sent-i < w.limit {
		w.scratch = b.command(w.scratch[:0], w.sent)
		line, body := int64(len(w.scratch))+2, b.octets(w.sent)
		if w.sent > i+1 && (w.line+line > windowLine || w.body+body > windowOctets) {
			return
		}
		c.w.queue(w.scratch)
		if c.s.Trace != nil {
			c.trace(true, escape(w.scratch))
		}
		if w.sent > i { // what is being read is not ahead
			w.line += line
			w.body += body
		}
		w.sent++
	}
}

// stop ends a command because its callback said so. If replies are
// outstanding the session cannot be used any more.
func (c *Client) stop(err error) error {
	if c.w.queued > c.w.replies {
		_ = c.broken(ErrAbandoned)
	}
	return err
}
