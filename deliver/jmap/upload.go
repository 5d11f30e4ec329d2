package jmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// upload uploads messages, several at a time. An error stops the target.
func (t *Target) upload(ctx context.Context, s *session, b *batch, msgs []*message) error {
	for len(msgs) > 0 {
		errs := s.putAll(ctx, b, msgs)
		var again []*message
		for i, m := range msgs {
			switch {
			case errs[i] == nil:
			case s.uploads > 1 && tooMany(errs[i]):
				again = append(again, m)
			case lost(errs[i]):
				m.Err = remote.Blamed(t.o.failed(errs[i]))
			default:
				m.Err = t.o.failed(errs[i])
			}
		}
		if stop := remote.Judge(msgs); stop != nil {
			return stop
		}
		if len(again) > 0 {
			s.uploads /= 2
		}
		msgs = again
	}
	return nil
}

// tooMany reports whether fewer requests at a time may be taken.
func tooMany(err error) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && (no.kind == "limit" && (no.limit == "maxConcurrentUpload" || no.limit == "maxConcurrentRequests") ||
		no.status == http.StatusTooManyRequests && no.pause == 0)
}

// putAll uploads each message. After an error that stops the target the others are left:
// they have neither a blob nor an error.
func (s *session) putAll(ctx context.Context, b *batch, msgs []*message) []error {
	errs := make([]error, len(msgs))
	var next int
	var stopped bool
	var mu sync.Mutex
	take := func(i int) int {
		mu.Lock()
		defer mu.Unlock()
		if i >= 0 && errs[i] != nil && !lost(errs[i]) && s.o.failed(errs[i]).Stops() {
			stopped = true
		}
		if stopped || next == len(msgs) {
			return -1
		}
		next++
		return next - 1
	}
	var wg sync.WaitGroup
	for range min(s.uploads, len(msgs)) {
		wg.Go(func() {
			for i := take(-1); i >= 0; i = take(i) {
				errs[i] = s.put(ctx, b, msgs[i])
			}
		})
	}
	wg.Wait()
	return errs
}

// put uploads a message (RFC 8620 section 6.1). It is not visible by that, so a broken
// connection is no doubt: it is uploaded again.
func (s *session) put(ctx context.Context, b *batch, m *message) error {
	if err := fault.Error("jmap.upload"); err != nil {
		return err
	}
	r := &web.Request{Method: "POST", URL: expand(s.upload, "{accountId}", s.account), Header: http.Header{"Content-Type": {"message/rfc822"}},
		Open: func() io.Reader { return b.Staged.Open(m.Part) }, Size: m.Part.Size, Wait: s.o.Wait}
	a, err := s.do(ctx, stageUpload, r)
	if w, ok := errors.AsType[*web.Error](err); ok && w.Cause == web.Lost {
		a, err = s.do(ctx, stageUpload, r)
	}
	if err != nil {
		return err
	}
	var blob struct {
		ID   string `json:"blobId"`
		Size int64  `json:"size"`
	}
	if json.Unmarshal(a.Body, &blob) != nil || blob.ID == "" {
		return s.o.failure(deliver.Unavailable, NotJMAP, stageUpload, errBroken)
	}
	if blob.Size != m.Part.Size {
		return s.o.failure(deliver.Failed, Rejected, stageUpload, fmt.Errorf("the server has got %d octets of %d", blob.Size, m.Part.Size))
	}
	m.blob = blob.ID
	fault.Point("jmap.uploaded")
	return nil
}
