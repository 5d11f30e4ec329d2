package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	bufSize     = 64 << 10
	maxStatus   = 8 << 10  // octets of a greeting, status or list line
	maxSASL     = 64 << 10 // octets of a SASL challenge line
	minProgress = 1 << 10  // octets of bulk data that renew the idle time
)

var (
	errLineTooLong = errors.New("line too long")
	errNoProgress  = errors.New("too slow")
	errUnsolicited = errors.New("sent what no command asked for")
)

// wire is the connection: one read buffer, one queue of commands that are not yet
// written, and the time limits. Its errors are raw; dialogue adds the command.
type wire struct {
	conn net.Conn // what is read and written: TLS, or raw itself
	raw  net.Conn // what is closed: never blocks for a TLS goodbye
	buffer
	out []byte // commands not yet written
	clock
	counts
	cancelled atomic.Pointer[error] // why the context's end closed raw
}

// buffer is what was received: buf[r:w] is not yet consumed.
type buffer struct {
	buf  []byte
	r, w int
}

// clock holds the limits of time.
type clock struct {
	idle time.Duration
	end  time.Time // of the session; zero for unbounded
	// left is how long we still wait for the current reply. The time that the
	// caller takes to store a body does not count. In bulk data, each
	// minProgress octets renew it.
	left  time.Duration
	bulk  bool
	fresh int
}

// counts are of commands and replies, from the beginning of the session.
type counts struct {
	queued, replies int  // commands queued and replies read
	handed          int  // commands that were written, or of which a write failed
	batch           int  // replies before the first one of the last write
	counted         bool // the wait after that write is in flights
	flights         int  // times that a reply was waited for
}

func (w *wire) init(conn net.Conn, s *Server) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		conn = &gatherConn{TCPConn: tcp, pause: gatherPause}
	}
	w.conn, w.raw = conn, conn
	w.buf = make([]byte, bufSize)
	w.idle = s.idleTimeout()
	if s.Session > 0 {
		w.end = time.Now().Add(s.Session)
	}
}

// watch closes the connection when ctx ends, so that whatever waits for it
// returns at once. The caller calls release when its work is done.
func (w *wire) watch(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		err := ctx.Err()
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		w.cancelled.Store(&err)
		_ = w.raw.Close() // nothing to be done about it: the session is over
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// expect sets how many octets are under way after the current reply.
func (w *wire) expect(octets int64) {
	if c, ok := w.raw.(*gatherConn); ok {
		c.gather(octets)
	}
}

// await starts the clock of one reply.
func (c *clock) await(d time.Duration, bulk bool) {
	c.left, c.bulk, c.fresh = d, bulk, 0
}

// queue adds a command line; CRLF is added here. It is written when the next
// reply has to be waited for.
func (w *wire) queue(line []byte) {
	if len(w.out) == 0 {
		w.batch, w.counted = w.queued, false
	}
	w.out = append(append(w.out, line...), '\r', '\n')
	w.queued++
}

func (w *wire) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	if err := w.conn.SetWriteDeadline(w.deadline(w.idle)); err != nil {
		return w.explain(err)
	}
	w.handed = w.queued // some or all of it may arrive even if the write fails
	_, err := w.conn.Write(w.out)
	clear(w.out) // it may have held a password
	w.out = w.out[:0]
	if err != nil {
		return w.explain(err)
	}
	return nil
}

func (c *clock) deadline(d time.Duration) time.Time {
	t := time.Now().Add(d)
	if !c.end.IsZero() && c.end.Before(t) {
		return c.end
	}
	return t
}

// fill sends what is queued and waits for at least one octet.
func (w *wire) fill() error {
	if err := w.flush(); err != nil {
		return err
	}
	if !w.counted && !w.bulk && w.queued > 0 && w.replies >= w.batch {
		w.flights++
		w.counted = true
	}
	w.room()
	for range 100 {
		n, err := w.read()
		if n > 0 {
			return nil
		}
		if err != nil {
			return w.explain(err)
		}
	}
	return io.ErrNoProgress
}

// room makes room at the end of the buffer, which grows only for a line that may be
// longer: see line.
func (b *buffer) room() {
	if b.r > 0 {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
	if b.w == len(b.buf) {
		b.buf = append(b.buf, make([]byte, len(b.buf))...)
	}
}

// read reads once, on the clock.
func (w *wire) read() (int, error) {
	if w.left <= 0 {
		return 0, errNoProgress
	}
	start := time.Now()
	if err := w.conn.SetReadDeadline(w.deadline(w.left)); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(w.buf[w.w:])
	w.w += n
	w.left -= time.Since(start)
	if w.fresh += n; w.bulk && w.fresh >= minProgress {
		w.await(w.idle, true)
	}
	return n, err
}

// explain returns why a read or write failed: the context's end, a time limit, or err.
func (w *wire) explain(err error) error {
	if p := w.cancelled.Load(); p != nil {
		return *p
	}
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, os.ErrDeadlineExceeded) && !w.end.IsZero() && !time.Now().Before(w.end):
		return errSessionTime
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errNoProgress):
		return errIdleTime
	}
	return err
}

// line returns the next line without its end (CRLF; a bare LF is tolerated
// in replies, not in bodies). It is valid until the next fill.
func (w *wire) line(limit int) ([]byte, error) {
	seen := 0
	for {
		have := w.buf[w.r:w.w]
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			w.r += seen + i + 1
			line := bytes.TrimSuffix(have[:seen+i], []byte{'\r'})
			if len(line) > limit {
				return nil, errLineTooLong
			}
			return line, nil
		}
		if seen = len(have); seen > limit {
			return nil, errLineTooLong
		}
		if err := w.fill(); err != nil {
			return nil, err
		}
	}
}

func (b *buffer) buffered() int { return b.w - b.r }

// unasked reports whether something was received that no command asked for. Empty
// lines do not count and are dropped: they do no harm.
func (b *buffer) unasked() bool {
	for b.r < b.w && (b.buf[b.r] == '\n' || bytes.HasPrefix(b.buf[b.r:b.w], []byte("\r\n"))) {
		b.r += bytes.IndexByte(b.buf[b.r:b.w], '\n') + 1
	}
	return b.w-b.r > 1 || b.w-b.r == 1 && b.buf[b.r] != '\r' // half of an empty line
}

// timeoutError is the error of a time limit of Server.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }
func (timeoutError) Timeout() bool   { return true }

// Is makes errors.Is(err, os.ErrDeadlineExceeded) hold.
func (timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

const (
	errIdleTime    = timeoutError("timeout: no answer, or too slow a one")
	errSessionTime = timeoutError("timeout: the session took longer than allowed")
)
