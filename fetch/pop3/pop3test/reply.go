package pop3test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"
)

// errHangUp ends a session whose connection a fault has closed.
var errHangUp = errors.New("hung up by a fault")

// replyWriter buffers replies and applies faults to the one being written.
// Errors stick: after the first, nothing is written.
type replyWriter struct {
	conn net.Conn // the TLS connection once there is one
	raw  net.Conn
	bw   *bufio.Writer
	done <-chan struct{}

	verb    string
	faults  []Fault
	sent    int64
	drip    time.Duration
	dropped bool
	tail    []byte
	err     error
}

func newReplyWriter(raw net.Conn, done <-chan struct{}) *replyWriter {
	return &replyWriter{conn: raw, raw: raw, bw: bufio.NewWriterSize(raw, 32<<10), done: done}
}

// upgrade continues on a TLS connection.
func (w *replyWriter) upgrade(conn net.Conn) {
	w.conn = conn
	w.bw.Reset(conn)
}

// begin starts the reply to event. It reports whether the faults that hit at
// once have taken the reply's place, so that the command is not carried out.
func (w *replyWriter) begin(event string, faults []Fault) (replaced bool) {
	w.verb, _, _ = strings.Cut(strings.ToUpper(event), " ")
	w.faults, w.sent, w.drip, w.dropped, w.tail = nil, 0, 0, false, nil
	return w.add(faults)
}

// add puts more faults on the reply; see begin.
func (w *replyWriter) add(faults []Fault) (replaced bool) {
	for _, f := range faults {
		if f.Do.kind == doAppend {
			w.tail = append(w.tail, f.Do.data...)
			continue
		}
		if f.After == 0 && !f.Done {
			w.fire(f.Do)
			continue
		}
		if f.After < 0 {
			f.After = math.MaxInt64
		}
		w.faults = append(w.faults, f)
	}
	return w.dropped || w.err != nil
}

// Write sends p, interrupted where a fault is due.
func (w *replyWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && w.err == nil {
		limit := w.fireDue()
		if w.dropped || w.err != nil {
			break
		}
		k := int(min(int64(len(p)), limit))
		w.emit(p[:k])
		w.sent += int64(k)
		p = p[k:]
	}
	return n, w.err
}

// fireDue applies what is due and returns how many bytes may follow it.
func (w *replyWriter) fireDue() int64 {
	limit := int64(math.MaxInt64)
	for i := 0; i < len(w.faults); {
		f := w.faults[i]
		if f.After > w.sent {
			limit = min(limit, f.After-w.sent)
			i++
			continue
		}
		w.faults = append(w.faults[:i], w.faults[i+1:]...)
		w.fire(f.Do)
	}
	return limit
}

// end finishes a reply: faults due at its end, then what Append added.
func (w *replyWriter) end() error {
	w.fireDue()
	for _, f := range w.faults {
		if f.After == math.MaxInt64 {
			w.fire(f.Do)
		}
	}
	w.faults = nil
	if len(w.tail) > 0 {
		w.emit(w.tail)
	}
	return w.err
}

func (w *replyWriter) emit(p []byte) {
	if w.err != nil {
		return
	}
	if w.drip == 0 {
		_, w.err = w.bw.Write(p)
		return
	}
	for i := range p {
		w.flush()
		w.pause(w.drip)
		if w.err != nil {
			return
		}
		_, w.err = w.conn.Write(p[i : i+1])
	}
}

func (w *replyWriter) flush() error {
	if w.err == nil {
		w.err = w.bw.Flush()
	}
	return w.err
}

// pause waits d, or until the server is closed.
func (w *replyWriter) pause(d time.Duration) {
	if w.err != nil || d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.done:
		w.err = net.ErrClosed
	}
}

func (w *replyWriter) fire(a Action) {
	switch a.kind {
	case doCut:
		w.flush()
		w.hangUp()
	case doReset:
		w.flush()
		if tcp, ok := w.raw.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		w.hangUp()
	case doStall:
		w.flush()
		w.raw.SetReadDeadline(time.Time{})
		io.Copy(io.Discard, w.raw)
		w.hangUp()
	case doDrip:
		w.drip = max(a.wait, 1)
	case doPause:
		w.flush()
		w.pause(a.wait)
	case doUntil:
		w.flush()
		select {
		case <-a.until:
		case <-w.done:
			w.err = net.ErrClosed
		}
	case doAwait:
		w.flush()
		if _, err := io.ReadFull(w.raw, make([]byte, 1)); err != nil {
			w.hangUp()
		}
	case doErr, doRaw:
		w.emit(a.data)
		w.dropped = true
	case doEndlessLine, doEndlessList, doEndlessBody:
		w.endless(a.kind)
	}
}

func (w *replyWriter) hangUp() {
	w.raw.Close()
	w.err = errHangUp
}

// endless writes until the connection is closed.
func (w *replyWriter) endless(kind actionKind) {
	if w.sent == 0 && kind != doEndlessLine {
		w.emit([]byte("+OK\r\n"))
	}
	if w.sent == 0 && kind == doEndlessBody {
		w.emit([]byte("Subject: endless\r\n\r\n"))
	}
	filler := []byte(strings.Repeat("A line of a message that never ends.\r\n", 100))
	if kind == doEndlessLine {
		filler = []byte(strings.Repeat("A", 4096))
	}
	for n := 1; w.err == nil; n++ {
		if kind == doEndlessList {
			filler = fmt.Appendf(filler[:0], listFormat(w.verb), n)
		}
		w.emit(filler)
	}
}

func listFormat(verb string) string {
	switch verb {
	case "LIST":
		return "%d 1000\r\n"
	case "CAPA":
		return "X-CAPABILITY-%d\r\n"
	}
	return "%[1]d uid-%[1]d\r\n"
}
