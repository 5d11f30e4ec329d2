package http

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/spool"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Kind is the Intent.Kind of this package.
const Kind = "http"

// authorization is the field of a login.
const authorization = "Authorization"

// leastWait is the shortest wait for the answer to a message: giving up earlier is what
// makes duplicates, and RT's own relay waits as long.
const leastWait = 3 * time.Minute

// Pair is a named value.
type Pair struct{ Name, Value string }

// Options describe one service. They are not changed after New.
type Options struct {
	// Preset is one of Presets.
	Preset string
	// URL is where the service takes mail, see Endpoint.
	URL string
	// Secret yields the secret; nil: there is none. Headers are further fields of each
	// request, whose values may be secret. Fields are those of the form.
	Secret  func(context.Context) (string, error)
	Headers []Header
	Fields  []Pair
	// Web is how the service is reached, and the login if the preset has none.
	Web web.Options
	// Wait is the longest wait for an answer; less than 3 minutes: 3 minutes.
	Wait time.Duration
}

// Header is a field of each request.
type Header struct {
	Name  string
	Value func(context.Context) (string, error)
}

// Deliverer delivers to one service. It implements deliver.Deliverer and
// deliver.BatchLimiter.
type Deliverer struct {
	o      Options
	p      *preset
	client *web.Client
	pool   spool.Pool
	slow   atomic.Bool // a task took too long

	query []string // what the query of the URL may hold of secrets, the longest first

	mu     sync.Mutex
	values []string // the secret, then those of the headers; nil: not known yet
	logins []string // what was sent as Authorization
}

// New returns a Deliverer. It does not connect.
func New(o Options) *Deliverer {
	o.Wait, o.Web.Idle = max(o.Wait, leastWait), cmp.Or(o.Web.Idle, time.Minute)
	d := &Deliverer{o: o, p: presetOf(o.Preset), pool: spool.NewPool(), query: secretsOf(o.URL)}
	way := o.Web
	way.Hide = d.hide
	if s := d.p.secret; s.user != "" || s.header == authorization {
		way.Authorize, way.Renew = d.authorize, nil
	}
	if get := way.Authorize; get != nil {
		way.Authorize = func(ctx context.Context) (string, error) { return d.sent(get(ctx)) }
	}
	if renew := way.Renew; renew != nil {
		way.Renew = func(ctx context.Context, refused string) (string, error) { return d.sent(renew(ctx, refused)) }
	}
	d.client = web.New(way)
	return d
}

// secretsOf are the query of a URL and the values in it.
func secretsOf(address string) []string {
	_, query, found := strings.Cut(address, "?")
	if !found {
		return nil
	}
	list := []string{query}
	for pair := range strings.SplitSeq(query, "&") {
		_, value, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(value)
		list = append(list, value, plain)
	}
	slices.SortStableFunc(list, func(a, b string) int { return len(b) - len(a) })
	return list
}

// sent notes a value of Authorization, to take it out of answers: what comes after its
// first word, and user and password if it is Basic.
func (d *Deliverer) sent(auth string, err error) (string, error) {
	if err != nil {
		return auth, err
	}
	_, secret, _ := strings.Cut(auth, " ")
	list := []string{auth, secret}
	if plain, err := base64.StdEncoding.DecodeString(secret); err == nil && strings.HasPrefix(auth, "Basic ") {
		_, password, _ := strings.Cut(string(plain), ":")
		list = append(list, password)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logins = list
	return auth, nil
}

// MaxBatch is 1: a message whose answer is lost cannot be looked up.
func (d *Deliverer) MaxBatch() int { return 1 }

// Close closes the connections.
func (d *Deliverer) Close() error {
	d.client.Close()
	return nil
}

// Begin opens a batch. It gets the secrets, so that a missing one is noticed before a
// message is retrieved.
func (d *Deliverer) Begin(ctx context.Context) (deliver.Batch, error) {
	if _, err := d.secrets(ctx); err != nil {
		return nil, d.unanswered(err)
	}
	return &batch{d: d, Batch: spool.Batch{
		Intent:  deliver.Intent{Kind: Kind, Data: []byte(d.o.Web.Name)},
		Refused: func(err error) error { return d.failure(deliver.Later, CauseOther, err) },
	}}, nil
}

type batch struct {
	spool.Batch
	d *Deliverer
}

// Add stages one message as its request carries it.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	m := &message{env: e}
	m.Spool = spool.Spool{Pool: b.d.pool}
	return b.Stage(&m.Spool, func() error { return m.fill(ctx, body, b.d.p) },
		func(ctx context.Context) deliver.Result { return b.d.deliver(ctx, m) })
}

// message is one message on its way.
type message struct {
	env deliver.Envelope
	staged
}

// secrets are the secret, empty if there is none, and the values of the headers. They
// are asked for once.
func (d *Deliverer) secrets(ctx context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.values != nil {
		return d.values, nil
	}
	values := make([]string, 1+len(d.o.Headers))
	var err error
	if d.o.Secret != nil {
		values[0], err = d.o.Secret(ctx)
	}
	for i, h := range d.o.Headers {
		if err == nil {
			values[1+i], err = h.Value(ctx)
		}
	}
	if err != nil {
		return nil, d.noSecret(ctx, err)
	}
	d.values = values
	return values, nil
}

func (d *Deliverer) noSecret(ctx context.Context, err error) error {
	e := &web.Error{Cause: web.NoLogin, Err: fmt.Errorf("%s: secret: %w", d.o.Web.Name, err)}
	if ctx.Err() != nil {
		e.Cause, e.Err = web.CauseOther, ctx.Err()
	}
	return e
}

// failure is an error in this package's form.
func (d *Deliverer) failure(class deliver.Class, cause Cause, err error) *deliver.Error {
	return &deliver.Error{Class: class, Err: &Error{Cause: cause, Preset: d.p.name, Err: err}}
}

// unanswered is the error of a request that has no answer. One that was sent may have
// been acted on; one that broke off while it was sent may have been too much.
func (d *Deliverer) unanswered(err error) *deliver.Error {
	var e *web.Error
	switch {
	case !errors.As(err, &e):
		return d.failure(deliver.Unavailable, CauseOther, err)
	case e.Sent && (e.Cause == web.Lost || e.Cause == web.Silent || e.Cause == web.TooLong):
		return d.failure(deliver.Failed, InDoubt, errInDoubt{err})
	case e.Sent && e.Cause == web.NotHTTP: // it may be the answer to this message alone
		stop := d.failure(e.Class(), InDoubt, errInDoubt{err})
		stop.Refused = true
		return stop
	case e.Cause == web.Lost:
		return d.failure(deliver.Failed, CauseOther, err)
	}
	return d.failure(e.Class(), CauseOther, err)
}

type errInDoubt struct{ error }

// Error implements error.
func (e errInDoubt) Error() string { return e.error.Error() + "; the message may have been delivered" }

// Unwrap returns the cause.
func (e errInDoubt) Unwrap() error { return e.error }

// receipt is what is kept of an answer.
func receipt(text string) string {
	const longest = 200
	text = clean(text)
	return cmp.Or(strings.ToValidUTF8(text[:min(len(text), longest)], ""), "accepted")
}
