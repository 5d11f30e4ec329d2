package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

const (
	// defaultIdle is the longest wait for the server.
	defaultIdle = time.Minute
	// defaultLimit bounds an answer, and maxHeader its header.
	defaultLimit = 1 << 20
	maxHeader    = 64 << 10
	// bufferSize is that of what is written to a connection at a time.
	bufferSize = 32 << 10
)

// DialFunc opens a connection to a host and port.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Options describe how a server is reached. They are not changed after New.
type Options struct {
	// Name is how errors call the server.
	Name string
	// Dial opens a connection for http, DialTLS one for https, with the handshake done.
	// They have deadlines of their own.
	Dial, DialTLS DialFunc
	// Idle is the longest time in which nothing is sent or received; zero: 60 s.
	Idle time.Duration
	// Authorize returns the value of the field Authorization; nil: there is none. Renew
	// returns another one after it was refused (401), once for a request; nil: the
	// refusal is the answer.
	Authorize func(ctx context.Context) (string, error)
	Renew     func(ctx context.Context, refused string) (string, error)
	// Hide takes other secrets of a request out of a text that a server may have quoted;
	// nil: there are none.
	Hide func(text string) string
	// Trace gets a line for each request and each answer, without secrets and bodies.
	// Nil: none.
	Trace func(sent bool, line string)
}

// Client sends requests to one service. It may be used by several goroutines.
type Client struct {
	o         Options
	transport *http.Transport
}

// New makes a client. It does not connect.
func New(o Options) *Client {
	o.Idle = cmp.Or(o.Idle, defaultIdle)
	return &Client{o: o, transport: &http.Transport{
		DialContext:            marked(o.Dial),
		DialTLSContext:         marked(o.DialTLS),
		DisableCompression:     true, // an answer is as long as it says
		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        bufferSize,
		ReadBufferSize:         bufferSize,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
	}}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Request is one request.
type Request struct {
	Method, URL string
	// Header has fields besides Authorization and those of the body.
	Header http.Header
	// Open starts the body of Size octets from its beginning, each time that the request
	// is sent; nil: there is no body.
	Open func() io.Reader
	Size int64
	// Bare: the field Authorization is not sent, as the URL is the secret, or another
	// service's.
	Bare bool
	// Harmless: it changes nothing, so it is sent once more if the connection breaks:
	// servers close idle ones just when they are used again.
	Harmless bool
	// Wait is the longest wait for the answer once the body is sent; zero: Options.Idle.
	Wait time.Duration
	// Most is the longest time that the body of an answer takes; zero: as long as it goes on.
	Most time.Duration
	// Limit is the largest body of an answer in octets; zero: 1 MiB.
	Limit int64
	// Into reads the body of an answer of the class 2xx while it arrives; nil:
	// Answer.Body has it. What it returns is returned.
	Into func(io.Reader) error
}

// Answer is what a server answered, whatever its status: redirects are not followed,
// as the request would hand its secret to another place.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Whole: all of the request was handed to the connection before the answer came.
	// Else the server has a part of it, and gets no more.
	Whole bool
	at    time.Time
}

// OK reports whether the status is of the class 2xx.
func (a *Answer) OK() bool { return a.Status/100 == 2 }

// Do sends a request, once more if the server refused the token of the first try. The
// error is an *Error, that of Into, or of Options.Authorize and Renew within an *Error.
func (c *Client) Do(ctx context.Context, r *Request) (*Answer, error) {
	auth := ""
	if c.o.Authorize != nil && !r.Bare {
		var err error
		if auth, err = c.o.Authorize(ctx); err != nil {
			return nil, c.noLogin(ctx, err)
		}
	}
	a, err := c.send(ctx, r, auth)
	if err != nil || a.Status != http.StatusUnauthorized || c.o.Renew == nil || auth == "" {
		return a, err
	}
	if auth, err = c.o.Renew(ctx, auth); err != nil {
		return nil, c.noLogin(ctx, err)
	}
	return c.send(ctx, r, auth)
}

// send sends a request, and a harmless one again if the connection breaks.
func (c *Client) send(ctx context.Context, r *Request, auth string) (*Answer, error) {
	a, err := c.once(ctx, r, auth)
	if lost, ok := errors.AsType[*Error](err); ok && lost.Cause == Lost && r.Harmless && r.Into == nil {
		return c.once(ctx, r, auth)
	}
	return a, err
}

// once sends a request once, and reads its answer.
func (c *Client) once(ctx context.Context, r *Request, auth string) (*Answer, error) {
	w := watch(ctx, c.o.Idle, cmp.Or(r.Wait, c.o.Idle))
	defer w.stop()
	req, err := r.build(w, auth)
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("%s: %w", c.o.Name, err)}
	}
	c.trace(true, "%s %s, %d octets", r.Method, req.URL.Path, max(req.ContentLength, 0))
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, c.failed(w, err, auth)
	}
	defer resp.Body.Close()
	w.progress()
	c.trace(false, "%d, %d octets", resp.StatusCode, resp.ContentLength)
	if r.Most > 0 {
		defer time.AfterFunc(r.Most, func() { w.cancel(errSilent) }).Stop()
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Whole: w.sent.Load(), at: time.Now()}
	body := &reader{r: resp.Body, w: w, left: cmp.Or(r.Limit, defaultLimit)}
	if r.Into != nil && a.OK() {
		err = r.Into(body)
	} else {
		a.Body, err = io.ReadAll(body)
	}
	if !a.OK() { // it may quote what we sent, and is shown to people
		a.Body = []byte(c.hide(string(a.Body), auth))
	}
	if body.err != nil { // whatever Into has made of it
		return a, c.failed(w, body.err, auth)
	}
	return a, err
}

// build makes the request of net/http.
func (r *Request) build(w *watcher, auth string) (*http.Request, error) {
	begin, empty := w.progress, r.Open == nil || r.Size == 0
	if empty {
		begin = w.complete
	}
	ctx := httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { begin() }})
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return nil, err
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set("User-Agent", "mailhaul")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	if empty {
		return req, nil
	}
	req.ContentLength = r.Size
	req.GetBody = func() (io.ReadCloser, error) { return &upload{r: r.Open(), w: w, left: r.Size}, nil }
	req.Body, err = req.GetBody()
	return req, err
}

func (c *Client) trace(sent bool, format string, args ...any) {
	if c.o.Trace != nil {
		c.o.Trace(sent, fmt.Sprintf(format, args...))
	}
}
