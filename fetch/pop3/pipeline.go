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
	// octets is the expected size of the reply to command i.
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

// window begins a run of commands.
func (d *dialogue) window() window {
	d.base = d.w.replies
	if d.Pipelining() {
		return window{limit: windowCommands, lowCommands: windowCommands * 3 / 4}
	}
	return window{limit: 1}
}

// ahead reports whether commands go ahead of the replies.
func (w *window) ahead() bool { return w.limit > 1 }

// do runs a batch: pipelined if the session is, else one command at a time.
func (d *dialogue) do(b batch) error {
	w := d.window()
	defer d.w.expect(0)
	for i := range b.n {
		d.ahead(&w, b, i)
		d.w.expect(w.body)
		if err := b.reply(i); err != nil {
			return err
		}
	}
	return nil
}

// ahead queues commands before reply i is read. Message i itself no longer counts:
// the next ones are requested while it is being read. It waits until a quarter of
// the window is free, so that a write carries many commands, and always keeps one
// command ahead, however big its message.
func (d *dialogue) ahead(w *window, b batch, i int) {
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
		d.w.queue(w.scratch)
		if d.s.Trace != nil {
			d.trace(true, escape(w.scratch))
		}
		if w.sent > i { // what is being read is not ahead
			w.line += line
			w.body += body
		}
		w.sent++
	}
}

// stop ends a command because its callback returned err. If replies are still due,
// the session cannot be used any more.
func (d *dialogue) stop(err error) error {
	if d.w.queued > d.w.replies {
		_ = d.broken(ErrAbandoned)
	}
	return err
}
