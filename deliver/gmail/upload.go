package gmail

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

const (
	// maxSimple is the largest message that goes in one request, in octets.
	maxSimple = 5 << 20
	// storing is how long Gmail may work on a message before it answers.
	storing = 5 * time.Minute
	// resume is the status of an upload that is not complete.
	resume = http.StatusPermanentRedirect
)

// store uploads one message and returns Gmail's id of it.
func (t *Target) store(ctx context.Context, b *batch, m *message, labels []string) (string, error) {
	meta, _ := json.Marshal(map[string][]string{"labelIds": labels}) // of strings
	if m.Size > maxSimple {
		return t.resumable(ctx, b, m, string(meta))
	}
	boundary := "mailhaul-" + hex.EncodeToString(m.Exact) // which the message cannot hold
	head := "--" + boundary + "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" + string(meta) +
		"\r\n--" + boundary + "\r\nContent-Type: message/rfc822\r\n\r\n"
	tail := "\r\n--" + boundary + "--\r\n"
	answer, err := t.api.once(ctx, t.o.method(), costStore, &web.Request{
		Method: http.MethodPost, URL: t.storeURL("multipart"), Wait: storing,
		Header: http.Header{"Content-Type": {`multipart/related; boundary="` + boundary + `"`}},
		Size:   int64(len(head)) + m.Size + int64(len(tail)),
		Open: func() io.Reader {
			return io.MultiReader(strings.NewReader(head), b.Staged.Open(m.Part), strings.NewReader(tail))
		},
	}, 0)
	if err != nil {
		return "", err
	}
	return t.id(m, answer)
}

func (t *Target) storeURL(form string) string {
	query := url.Values{"uploadType": {form}, "internalDateSource": {"dateHeader"}}
	if t.o.NeverMarkSpam && !t.o.Insert {
		query.Set("neverMarkSpam", "true")
	}
	return t.api.url("/upload", "messages/"+t.o.method(), query)
}

// id reads Gmail's id of a message that it has stored. If Gmail had it before, that may
// be in the trash, which it empties.
func (t *Target) id(m *message, answer *web.Answer) (string, error) {
	var stored struct {
		ID     string   `json:"id"`
		Labels []string `json:"labelIds"`
	}
	if err := t.api.decode(t.o.method(), answer, &stored); err != nil || stored.ID == "" || strings.ContainsAny(stored.ID, " \r\n") {
		e := t.api.failure(verdict{Class: deliver.Unavailable, Cause: NotGmail}, t.o.method(),
			errors.New("the answer has no id of a message"))
		e.Err.(*Error).Status = answer.Status
		return "", e
	}
	if m.StandIn = slices.Contains(stored.Labels, trash) && !slices.Contains(t.o.Labels, trash); m.StandIn {
		t.o.Logger.Warn("Gmail has a message in the trash only: it is not deleted elsewhere", "message-id", m.ID)
	}
	return stored.ID, nil
}

// resumable uploads a message that may take several requests: after a lost connection
// the server is asked what it has.
func (t *Target) resumable(ctx context.Context, b *batch, m *message, meta string) (string, error) {
	start := jsonRequest(http.MethodPost, t.storeURL("resumable"), json.RawMessage(meta))
	start.Header.Set("X-Upload-Content-Type", "message/rfc822")
	start.Header.Set("X-Upload-Content-Length", strconv.FormatInt(m.Size, 10))
	answer, err := t.api.once(ctx, t.o.method(), costStore, start, 0)
	if err != nil {
		return "", unsent(err)
	}
	session, bare, err := t.session(answer.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	off := int64(0)
	for try := 1; ; try++ {
		fault.Point("gmail.part")
		answer, err = t.part(ctx, m, t.put(b, m, session, bare, off), off)
		for ; err != nil; try++ { // what of it has arrived?
			if !t.api.rest(ctx, try, err) {
				return "", err
			}
			answer, err = t.part(ctx, m, t.put(b, m, session, bare, m.Size), m.Size)
		}
		if answer.Status != resume {
			return t.id(m, answer)
		}
		next := received(answer.Header.Get("Range"), m.Size)
		if next > off {
			try = 0
		} else if err := t.api.failure(verdict{Class: deliver.Unavailable, Cause: Busy}, t.o.method(),
			errors.New("the upload makes no progress")); !t.api.rest(ctx, try, err) {
			return "", err
		}
		off = next
	}
}

// part sends a request of an upload from an offset on, and keeps in mind whether the upload
// may be complete.
func (t *Target) part(ctx context.Context, m *message, r *web.Request, off int64) (*web.Answer, error) {
	answer, err := t.api.once(ctx, t.o.method(), 0, r, resume)
	if doubtful, _ := doubt(err); doubtful {
		m.maybe = true
	}
	if own, ok := errors.AsType[*Error](err); ok && (own.Status == http.StatusNotFound || own.Status == http.StatusGone) {
		own.Cause, m.maybe = CauseOther, true // it is over: a new one begins once it is known how it ended
	}
	if e, ok := errors.AsType[*deliver.Error](err); ok && e.Class == deliver.Never && off > 0 {
		err = remote.Blamed(e) // of the upload that goes on, perhaps, and not of the message
	}
	if err == nil && answer.Status == resume { // of what is there as a whole, it may be about to be stored
		m.maybe = received(answer.Header.Get("Range"), m.Size) == m.Size
	}
	return answer, err
}

// unsent is the error of a request that carried no message: nothing can have arrived.
func unsent(err error) error {
	if e, ok := errors.AsType[*web.Error](err); ok {
		e.Sent = false
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Status >= 500 {
		e.Status = 0
	}
	return err
}

// session is the URL of an upload. Only the API itself gets the token.
func (t *Target) session(location string) (session string, bare bool, err error) {
	base, err := url.Parse(t.o.Base)
	if err != nil {
		return "", false, err
	}
	u, err := base.Parse(location)
	if err != nil || location == "" || u.Scheme != base.Scheme && u.Scheme != "https" {
		return "", false, t.api.failure(verdict{Class: deliver.Unavailable, Cause: NotGmail}, t.o.method(),
			errors.New("the answer has no place to upload to"))
	}
	usual := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.String(), strings.TrimSuffix(u.Host, usual) != strings.TrimSuffix(base.Host, usual), nil
}

// put sends a message from an offset on; at its end it only asks what has arrived.
func (t *Target) put(b *batch, m *message, session string, bare bool, off int64) *web.Request {
	r := &web.Request{Method: http.MethodPut, URL: session, Bare: bare, Wait: storing, Header: http.Header{}, Size: m.Size - off}
	if off == m.Size {
		r.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", m.Size))
		return r
	}
	r.Header.Set("Content-Type", "message/rfc822")
	r.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, m.Size-1, m.Size))
	r.Open = func() io.Reader { return io.NewSectionReader(b.Staged.Open(m.Part), off, m.Size-off) }
	return r
}

var rangeForm = regexp.MustCompile(`^(?:bytes=)?0-(\d+)$`)

// received is how many octets of an upload have arrived, by the field Range.
func received(field string, size int64) int64 {
	m := rangeForm.FindStringSubmatch(strings.TrimSpace(field))
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n >= size {
		return 0
	}
	return n + 1
}
