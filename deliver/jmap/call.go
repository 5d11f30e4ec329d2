package jmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

const (
	// maxReply bounds the reply to a request: a list of ids and sizes.
	maxReply = 16 << 20
	// shortPause is the longest pause that is waited for, so often.
	shortPause = 10 * time.Second
	pauses     = 3
)

// args are the arguments of a method.
type args map[string]any

// call is one method call, and where its result goes.
type call struct {
	method string
	args   args
	into   any
	// err is the error of this call (RFC 8620 section 3.6.2), a *refusal.
	err error
}

// changes reports whether a call changes something on the server.
func (c *call) changes() bool {
	return strings.HasSuffix(c.method, "/set") || strings.HasSuffix(c.method, "/import")
}

// request sends calls in one request. Its error is about all of them: a *refusal, or a
// *web.Error. stage is where a refusal stands.
func (s *session) request(ctx context.Context, stage string, wait time.Duration, calls ...*call) error {
	type invocation [3]any
	r := struct {
		Using []string     `json:"using"`
		Calls []invocation `json:"methodCalls"`
	}{Using: []string{capCore, capMail}}
	if s.quotas {
		r.Using = append(r.Using, capQuota)
	}
	for i, c := range calls {
		c.args["accountId"] = s.account
		r.Calls = append(r.Calls, invocation{c.method, c.args, strconv.Itoa(i)})
	}
	body, err := json.Marshal(r)
	if err != nil {
		return s.o.failure(deliver.Failed, CauseOther, stage, err)
	}
	a, err := s.do(ctx, stage, &web.Request{Method: "POST", URL: s.api, Header: http.Header{"Content-Type": {"application/json"}},
		Harmless: !slices.ContainsFunc(calls, (*call).changes), Wait: wait, Limit: maxReply,
		Open: func() io.Reader { return bytes.NewReader(body) }, Size: int64(len(body))})
	if err != nil {
		return err
	}
	return s.results(stage, a.Body, calls)
}

// do sends a request. A server that asks for a short pause gets it; its answer is of
// the class 2xx, or the error is a *refusal.
func (s *session) do(ctx context.Context, stage string, r *web.Request) (*web.Answer, error) {
	for try := 1; ; try++ {
		a, err := s.o.Client.Do(ctx, r)
		if err != nil || a.OK() {
			return a, err
		}
		no := refused(stage, a)
		if a.Status != http.StatusTooManyRequests || no.pause == 0 || no.pause > shortPause || try > pauses {
			return nil, no
		}
		if err := remote.Pause(ctx, no.pause); err != nil {
			return nil, err
		}
	}
}

// refused reads the problem of an answer (RFC 7807). Another body is left alone.
func refused(stage string, a *web.Answer) *refusal {
	var p struct{ Type, Title, Detail, Limit string }
	_ = json.Unmarshal(a.Body, &p)
	no := &refusal{stage: stage, status: a.Status, limit: p.Limit, detail: p.Detail, pause: a.Pause()}
	if kind, ok := strings.CutPrefix(p.Type, problemPrefix); ok {
		no.kind = kind
	}
	if no.detail == "" {
		no.detail = p.Title
	}
	return no
}

var errBroken = errors.New("the reply is not one of JMAP")

// results gives each call its result. Calls that the server leaves out have an error.
func (s *session) results(stage string, body []byte, calls []*call) error {
	var r struct {
		Responses []json.RawMessage `json:"methodResponses"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return s.o.failure(deliver.Unavailable, NotJMAP, stage, fmt.Errorf("%w: %w", errBroken, err))
	}
	for _, c := range calls {
		c.err = s.o.failure(deliver.Unavailable, NotJMAP, stage, fmt.Errorf("%w: no answer to %s", errBroken, c.method))
	}
	for _, raw := range r.Responses {
		var name, id string
		var result json.RawMessage
		if json.Unmarshal(raw, &[]any{&name, &result, &id}) != nil {
			continue
		}
		if n, err := strconv.Atoi(id); err == nil && n >= 0 && n < len(calls) {
			calls[n].take(s, stage, name, result)
		}
	}
	return nil
}

// take reads the result of a call, or its error.
func (c *call) take(s *session, stage, name string, result json.RawMessage) {
	switch {
	case name == "error":
		var e setError
		_ = json.Unmarshal(result, &e)
		c.err = e.refusal(stage)
	case name != c.method:
	case json.Unmarshal(result, c.into) != nil:
		c.err = s.o.failure(deliver.Unavailable, NotJMAP, stage, fmt.Errorf("%w: the result of %s", errBroken, c.method))
	default:
		c.err = nil
	}
}

// one sends a single call, and returns its error or that of the request.
func (s *session) one(ctx context.Context, stage, method string, a args, into any) error {
	c := &call{method: method, args: a, into: into}
	if err := s.request(ctx, stage, 0, c); err != nil {
		return err
	}
	return c.err
}

// setError is a SetError (RFC 8620 section 5.3), or the error of a method.
type setError struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Properties  []string `json:"properties"`
	ExistingID  string   `json:"existingId"`
}

func (e *setError) refusal(stage string) *refusal {
	return &refusal{stage: stage, kind: e.Type, detail: e.Description, properties: e.Properties, existing: e.ExistingID}
}

// kindOf is the type of a refusal; empty: the error is none.
func kindOf(err error) string {
	if no, ok := errors.AsType[*refusal](err); ok {
		return no.kind
	}
	return ""
}
