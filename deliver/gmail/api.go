package gmail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Units that calls cost.
const (
	costProfile = 1
	costLabels  = 1
	costCreate  = 5
	costList    = 5
	costGet     = 20
	costHistory = 2
	costStore   = 25
)

// tries is how often a call is tried that may pass in a while, and longest the longest
// pause that a run waits for.
const (
	tries   = 7
	longest = 2 * time.Minute
)

// api makes calls at the rate of the quota.
type api struct {
	o    *Options
	web  *web.Client
	pace *pacer
}

// url is that of a call; the path begins behind the user.
func (a *api) url(prefix, path string, query url.Values) string {
	u := a.o.Base + prefix + "/gmail/v1/users/me/" + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// once makes a call that costs units, once. Only an answer of the class 2xx, or of the
// status also, is none of the errors.
func (a *api) once(ctx context.Context, stage string, units int, r *web.Request, also int) (*web.Answer, error) {
	if err := a.pace.wait(ctx, units); err != nil {
		return nil, a.failed(stage, err)
	}
	answer, err := a.web.Do(ctx, r)
	switch {
	case err != nil:
		return answer, a.failed(stage, err)
	case !answer.OK() && answer.Status != also:
		return answer, a.refused(stage, answer)
	}
	a.pace.well()
	return answer, nil
}

// patient makes a call that changes nothing, again while it may pass in a while.
func (a *api) patient(ctx context.Context, stage string, units int, r *web.Request) (*web.Answer, error) {
	for try := 1; ; try++ {
		answer, err := a.once(ctx, stage, units, r, 0)
		if err == nil || !a.rest(ctx, try, err) {
			return answer, err
		}
	}
}

// rest lets all calls wait after one that may pass in a while, longer after each try, and
// reports whether to try again in this run.
func (a *api) rest(ctx context.Context, try int, err error) bool {
	if ctx.Err() != nil || !passing(err) {
		return false
	}
	if causeOf(err) == Throttled {
		a.pace.slow()
	}
	d := a.failed("", err).Pause
	if d > longest || try >= tries {
		return false
	}
	grown := time.Second << (try - 1)
	a.pace.hold(max(d, grown/2+rand.N(grown))) // jitter: others wait for the same end
	return true
}

// get reads JSON.
func (a *api) get(ctx context.Context, stage string, units int, path string, query url.Values, into any) error {
	answer, err := a.patient(ctx, stage, units, &web.Request{Method: http.MethodGet, URL: a.url("", path, query), Limit: 16 << 20})
	if err != nil {
		return err
	}
	return a.decode(stage, answer, into)
}

func (a *api) decode(stage string, answer *web.Answer, into any) error {
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return a.failure(verdict{Class: deliver.Unavailable, Cause: NotGmail}, stage,
			fmt.Errorf("the answer is not what Gmail's API answers: %w", err))
	}
	return nil
}

// jsonRequest is a request whose body is JSON.
func jsonRequest(method, url string, body any) *web.Request {
	data, _ := json.Marshal(body) // of strings
	return &web.Request{Method: method, URL: url, Size: int64(len(data)),
		Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}},
		Open:   func() io.Reader { return bytes.NewReader(data) }}
}

// profile is the mailbox as users.getProfile shows it.
type profile struct {
	Address  string      `json:"emailAddress"`
	Messages int64       `json:"messagesTotal"`
	History  json.Number `json:"historyId"`
}

func (a *api) profile(ctx context.Context) (p profile, err error) {
	return p, a.get(ctx, "profile", costProfile, "profile", nil, &p)
}
