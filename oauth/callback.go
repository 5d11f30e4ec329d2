package oauth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// callback takes the browser's return from the provider, exactly once.
type callback struct {
	path, state string
	// got receives the one accepted answer; it has room for it.
	got chan url.Values

	mu     sync.Mutex
	done   bool
	strays int // requests that were not ours
}

func newCallback(path, state string) *callback {
	return &callback{path: cmp.Or(path, "/"), state: state, got: make(chan url.Values, 1)}
}

// The pages hold nothing of what was sent to them.
const (
	pageDone = "mailhaul has got the provider's answer. You can close this page; the terminal says whether the login worked."
	pageLate = "This login is over. You can close this page."
	pageNot  = "This is not part of the login that mailhaul waits for: it may be an older one. Use the address that mailhaul shows."
)

// ServeHTTP implements http.Handler.
func (cb *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != cb.path {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	status, text := cb.take(r.URL.Query())
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!doctype html><title>mailhaul</title><p>"+text+"</p>\n")
}

// take accepts the first answer with our state. Others do not end the login:
// any web page can make a browser send them.
func (cb *callback) take(q url.Values) (status int, page string) {
	ours := subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(cb.state)) == 1
	cb.mu.Lock()
	defer cb.mu.Unlock()
	switch {
	case !ours, !q.Has("code") && !q.Has("error"):
		cb.strays++
		return http.StatusBadRequest, pageNot
	case cb.done:
		return http.StatusGone, pageLate
	}
	cb.done = true
	cb.got <- q
	return http.StatusOK, pageDone
}

// wait returns the accepted answer.
func (cb *callback) wait(ctx context.Context) (url.Values, error) {
	select {
	case q := <-cb.got:
		return q, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// strayed is how many answers came that were not to this login.
func (cb *callback) strayed() int {
	cb.mu.Lock()
	defer cb.mu.Unlock()
	return cb.strays
}

// codeOf returns the code of an answer whose state was checked, or the
// provider's refusal (RFC 6749 section 4.1.2.1).
func (l *login) codeOf(q url.Values) (string, error) {
	if code := q.Get("error"); code != "" {
		e := &Error{Op: OpLogin, Provider: l.preset.Name}
		l.refusal(e, code, q.Get("error_description"), secrets{q.Get("code"), q.Get("state")})
		return "", e
	}
	code := q.Get("code")
	if err := checkToken(code); err != nil {
		return "", l.failed(KindProtocol, errors.New("the code is not one"))
	}
	return code, nil
}
