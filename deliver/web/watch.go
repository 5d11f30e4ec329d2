package web

import (
	"context"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"time"
)

var (
	errSilent  = errors.New("nothing was sent or received in time")
	errTooLong = errors.New("the answer is too long")
)

// watcher ends a request in which nothing happens, once it has a connection.
type watcher struct {
	ctx        context.Context
	cancel     context.CancelCauseFunc
	timer      *time.Timer
	idle, wait time.Duration
	sent       atomic.Bool // all of the request was handed to the connection
}

func watch(ctx context.Context, idle, wait time.Duration) *watcher {
	w := &watcher{idle: idle, wait: wait}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(math.MaxInt64, func() { w.cancel(errSilent) })
	return w
}

// progress puts the end off.
func (w *watcher) progress() { w.timer.Reset(w.idle) }

// complete begins the wait for the answer.
func (w *watcher) complete() {
	w.sent.Store(true)
	w.timer.Reset(w.wait)
}

func (w *watcher) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// upload is the body of a request.
type upload struct {
	r    io.Reader
	w    *watcher
	left int64
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.left -= int64(n)
	if u.left <= 0 || errors.Is(err, io.EOF) {
		u.w.complete()
	} else {
		u.w.progress()
	}
	return n, err
}

// Close implements io.Closer.
func (*upload) Close() error { return nil }

// reader is the body of an answer.
type reader struct {
	r    io.Reader
	w    *watcher
	left int64
	err  error // the failure, unless it is the end
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.r.Read(p)
	r.w.progress()
	if r.left -= int64(n); r.left < 0 {
		err = errTooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
