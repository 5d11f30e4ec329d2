package http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Probe implements deliver.Prober: it sends the harmless request of the preset.
func (d *Deliverer) Probe(ctx context.Context) error {
	a, err := d.ask(ctx)
	if err != nil {
		return err
	}
	return d.ready(a)
}

// Probe shows the way to a service step by step.
func Probe(ctx context.Context, o Options, step func(deliver.Step)) error {
	d := New(o)
	defer d.Close()
	did := deliver.Steps(step)
	a, err := d.ask(ctx)
	if err != nil {
		return did("connect", "", err)
	}
	if err := d.ready(a); err != nil {
		return did("request", "", err)
	}
	detail := fmt.Sprintf("%s answers %d", d.p.probe.method, a.Status)
	if len(d.p.probe.good) == 0 {
		detail += ", which says nothing about POST"
	}
	return did("request", detail, nil)
}

// ask sends the request of the probe.
func (d *Deliverer) ask(ctx context.Context) (*web.Answer, error) {
	values, err := d.secrets(ctx)
	if err != nil {
		return nil, d.unanswered(err)
	}
	p := d.p.probe
	r := &web.Request{Method: p.method, URL: d.o.URL, Header: d.headers(values)}
	if p.path != "" {
		base, _, _ := strings.Cut(d.o.URL, d.p.path)
		r.URL = base + p.path
	}
	fields := slices.Clone(p.fields)
	if d.p.secret.field != "" {
		fields = append(fields, Pair{d.p.secret.field, values[0]})
	}
	if p.media != "" {
		r.Header.Set("Content-Type", p.media)
	}
	if p.method == http.MethodPost && p.media == "" {
		form := make(url.Values)
		for _, f := range fields {
			form.Add(f.Name, f.Value)
		}
		text := form.Encode()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Open, r.Size = func() io.Reader { return strings.NewReader(text) }, int64(len(text))
	}
	a, err := d.do(ctx, r)
	if err != nil {
		return nil, stopping(d.unanswered(err))
	}
	return a, nil
}

// ready judges the answer. A service that promises none shows a refused login, and where
// it is not.
func (d *Deliverer) ready(a *web.Answer) error {
	p := d.p.probe
	if slices.Contains(p.good, a.Status) && (p.says == "" || begins(a.Body, p.says)) && !isPage(a.Body) {
		return nil
	}
	row := find(a, common)
	if len(p.good) == 0 && (a.OK() || row.means != denied && row.cause != Redirect && a.Status < 500) {
		return nil
	}
	return stopping(d.refused(row, a))
}

// stopping makes the error one of the target: there is no message that could be to blame.
func stopping(e *deliver.Error) *deliver.Error {
	if !e.Stops() {
		e.Class = deliver.Unavailable
	}
	return e
}
