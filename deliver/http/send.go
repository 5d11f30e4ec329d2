package http

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// mostAnswer is how long an answer is read once it has begun: a stream of events never ends.
const mostAnswer = time.Minute

// The fields of requests to an endpoint of one's own.
const (
	// KeyField has the same value each time that a message is sent
	// (draft-ietf-httpapi-idempotency-key-header-07): a String of RFC 9651.
	KeyField = "Idempotency-Key"
	// TimeField is when the request was made, in seconds since 1970, and SignatureField
	// "sha256=" and the HMAC-SHA256 of that, a dot and the body, in hexadecimal.
	TimeField      = "Mailhaul-Timestamp"
	SignatureField = "Mailhaul-Signature"
	// AccountField is the name of the account.
	AccountField = "Mailhaul-Account"
)

// deliver sends one message and judges the answer.
func (d *Deliverer) deliver(ctx context.Context, m *message) deliver.Result {
	if id := earlier(&m.env); id != "" {
		if res, done := d.resume(ctx, id); done {
			return res
		}
	}
	r, err := d.request(ctx, m)
	if disk, ok := errors.AsType[*deliver.Error](err); ok {
		return deliver.Result{Err: disk}
	}
	if err != nil {
		return deliver.Result{Err: d.unanswered(err)}
	}
	fault.Point("http.send")
	a, err := d.do(ctx, r)
	fault.Point("http.answered")
	if err != nil {
		return deliver.Result{Err: d.unanswered(err)}
	}
	row := d.p.judge(a)
	if !a.Whole && (row.means == delivered || row.means == queued) {
		return deliver.Result{Err: d.refused(answer{means: either, cause: Early}, a)}
	}
	if row.means == queued {
		if id := taskID(a); id != "" {
			return d.await(ctx, id)
		}
		row = answer{means: busy, cause: Unexpected}
	}
	if row.means == delivered {
		return deliver.Result{Receipt: receipt(shown(a))}
	}
	return deliver.Result{Err: d.refused(row, a)}
}

// get reads what is at a path below the address of the service.
func (d *Deliverer) get(ctx context.Context, path string) (*web.Answer, error) {
	values, err := d.secrets(ctx)
	if err != nil {
		return nil, err
	}
	base, _, _ := strings.Cut(d.o.URL, d.p.path)
	return d.do(ctx, &web.Request{Method: http.MethodGet, URL: base + path, Header: d.headers(values), Harmless: true})
}

// do sends a request. An answer of which only a part could be read is one: its status
// says what became of the message.
func (d *Deliverer) do(ctx context.Context, r *web.Request) (*web.Answer, error) {
	var body []byte
	r.Limit, r.Wait, r.Most = maxAnswer, d.o.Wait, mostAnswer
	r.Into = func(in io.Reader) (err error) {
		body, err = io.ReadAll(io.LimitReader(in, maxAnswer))
		return err
	}
	a, err := d.client.Do(ctx, r)
	if a == nil {
		return nil, err
	}
	if a.OK() {
		a.Body = []byte(d.hide(string(body)))
	}
	return a, nil
}

// hide takes the secrets out of a text that the service may quote.
func (d *Deliverer) hide(text string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range slices.Concat(d.values, d.logins, d.query) {
		if len(s) > 3 {
			text = strings.ReplaceAll(text, s, "****")
		}
	}
	return text
}

// refused is the error of an answer that is no success.
func (d *Deliverer) refused(row answer, a *web.Answer) *deliver.Error {
	text := shown(a)
	if place := a.Header.Get("Location"); row.cause == Redirect && place != "" {
		if i := strings.IndexAny(place, "?#"); i >= 0 {
			place = place[:i]
		}
		text += ": to " + clean(d.hide(place))
	}
	if row.means == later && a.Pause() > 0 {
		row.means = busy // who asks for a pause asks for it whatever comes
	}
	e := d.failure(classes[row.means], row.cause, fmt.Errorf("%s: %s", d.o.Web.Name, text))
	// Whatever the answer is, it may be one to this message alone: others are tried first
	// in the next run.
	e.Pause, e.Refused, e.Undecided = a.Pause(), true, row.means == either
	e.Err.(*Error).Pause = e.Pause
	return e
}

// request makes the request of a message.
func (d *Deliverer) request(ctx context.Context, m *message) (*web.Request, error) {
	values, err := d.secrets(ctx)
	if err != nil {
		return nil, err
	}
	fields := slices.Clone(d.o.Fields)
	if d.p.secret.field != "" {
		fields = append(fields, Pair{d.p.secret.field, values[0]})
	}
	c, err := m.content(d.p, fields)
	if err != nil {
		return nil, err
	}
	h := d.headers(values)
	h.Set("Content-Type", c.media)
	if d.p.own {
		// In capitals it would make net/http send the request again by itself if a
		// connection that was kept breaks.
		h[strings.ToLower(KeyField)] = []string{strconv.Quote(m.key(d.o.URL))}
		h.Set(AccountField, clean(m.env.Account))
	}
	if d.p.secret.sign && values[0] != "" {
		if err := sign(h, values[0], time.Now(), c); err != nil {
			return nil, err
		}
	}
	return &web.Request{Method: http.MethodPost, URL: d.o.URL, Header: h, Open: c.open, Size: c.length()}, nil
}

// headers are the fields of each request besides Authorization.
func (d *Deliverer) headers(values []string) http.Header {
	h := make(http.Header)
	for _, f := range d.p.headers {
		h.Set(f.Name, f.Value)
	}
	if s := d.p.secret; s.header != "" && s.header != authorization {
		h.Set(s.header, s.prefix+values[0])
	}
	for i, f := range d.o.Headers {
		h.Set(f.Name, values[1+i])
	}
	return h
}

// authorize is the value of Authorization, if that is where the secret belongs.
func (d *Deliverer) authorize(ctx context.Context) (string, error) {
	values, err := d.secrets(ctx)
	if err != nil {
		return "", err
	}
	if s := d.p.secret; s.user == "" {
		return s.prefix + values[0], nil
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(d.p.secret.user+":"+values[0])), nil
}

// key is the same for the same message of the same account to the same URL, whichever run
// sends it, and another one for every other message: two endpoints may share a store of keys.
func (m *message) key(address string) string {
	if fault.Mutated("http-new-key") {
		return rand.Text()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %x", address, m.env.Account, m.env.UID, m.sum))
	return hex.EncodeToString(sum[:])
}

// sign adds the signature over the time and the body.
func sign(h http.Header, secret string, now time.Time, c *content) error {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, at+".")
	if _, err := io.Copy(mac, c.open()); err != nil {
		return &deliver.Error{Class: deliver.IOError, Err: &deliver.TempError{Err: err}}
	}
	h.Set(TimeField, at)
	h.Set(SignatureField, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return nil
}
