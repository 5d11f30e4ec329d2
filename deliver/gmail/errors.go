package gmail

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Cause says what a call of the API failed for.
type Cause uint8

const (
	// CauseOther is any other reason; a *web.Error may be wrapped.
	CauseOther Cause = iota
	// LoginRefused: the token is not valid, also not a new one.
	LoginRefused
	// NoScope: the login does not permit the call. Policy: the domain's administrator
	// does not. APIOff: the project of the login does not have the API. MailOff: the
	// account has no Gmail, or it is off.
	NoScope
	Policy
	APIOff
	MailOff
	// Throttled: too many calls for now. DailyLimit: too many for today.
	Throttled
	DailyLimit
	// Busy: the server failed, or takes nothing now.
	Busy
	// NotGmail: what answers there is no Gmail API.
	NotGmail
	// LabelRefused: a label cannot be created or used.
	LabelRefused
	// TooBig: the message is larger than Gmail takes. Rejected: it refuses the message.
	TooBig
	Rejected
	// InDoubt: the answer was lost, and it is not known yet whether the message arrived.
	InDoubt
)

// Error is the cause of a failed call. Status and Reason are what Gmail answered.
type Error = remote.Error[Cause]

// verdict is what an answer means.
type verdict = remote.Verdict[Cause]

func causeOf(err error) Cause { return remote.CauseOf[Cause](err) }

// refusal is the body of an answer that is an error.
type refusal struct {
	Error struct {
		Message string `json:"message"`
		Status  string `json:"status"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
		Details []struct {
			Reason string `json:"reason"`
		} `json:"details"`
	} `json:"error"`
}

// reasons are those of status 400 to 499 that say more than the status. Other people's
// words are not read.
var reasons = map[string]verdict{
	"rateLimitExceeded":     {Class: deliver.Unavailable, Cause: Throttled},
	"userRateLimitExceeded": {Class: deliver.Unavailable, Cause: Throttled},
	"RATE_LIMIT_EXCEEDED":   {Class: deliver.Unavailable, Cause: Throttled},
	"quotaExceeded":         {Class: deliver.Unavailable, Cause: DailyLimit, Pause: time.Hour},
	"dailyLimitExceeded":    {Class: deliver.Unavailable, Cause: DailyLimit, Pause: untilReset},
	"domainPolicy":          {Class: deliver.Denied, Cause: Policy},

	"insufficientPermissions":         {Class: deliver.Denied, Cause: NoScope},
	"ACCESS_TOKEN_SCOPE_INSUFFICIENT": {Class: deliver.Denied, Cause: NoScope},

	"accessNotConfigured":     {Class: deliver.Denied, Cause: APIOff},
	"SERVICE_DISABLED":        {Class: deliver.Denied, Cause: APIOff},
	"failedPrecondition":      {Class: deliver.CannotCreate, Cause: MailOff},
	"invalidArgument":         {Class: deliver.Never, Cause: Rejected},
	"uploadTooLarge":          {Class: deliver.Never, Cause: TooBig},
	"backendError":            {Class: deliver.Unavailable, Cause: Busy},
	"authError":               {Class: deliver.Denied, Cause: LoginRefused},
	"dailyLimitExceededUnreg": {Class: deliver.Denied, Cause: APIOff},
}

// untilReset stands for the time until the limits of a day begin again.
const untilReset = -1

// classify decides what an answer means, by its reasons and then by its status.
func classify(status int, r *refusal) (verdict, string) {
	reason := ""
	for _, e := range append(r.Error.Errors, r.Error.Details...) {
		if v, ok := reasons[e.Reason]; ok && status < 500 {
			return v, e.Reason
		}
		reason = cmp.Or(reason, e.Reason)
	}
	switch {
	case status == http.StatusBadRequest && reason == "badRequest" && r.Error.Message != "Bad Request":
		return verdict{Class: deliver.Never, Cause: Rejected}, reason
	case status == http.StatusBadRequest: // nothing is said: another try may pass
		return verdict{Class: deliver.Failed, Cause: Rejected}, reason
	case status == http.StatusUnauthorized:
		return verdict{Class: deliver.Denied, Cause: LoginRefused}, reason
	case status == http.StatusForbidden:
		return verdict{Class: deliver.Denied, Cause: CauseOther}, reason
	case status == http.StatusRequestEntityTooLarge:
		return verdict{Class: deliver.Never, Cause: TooBig}, reason
	case status == http.StatusTooManyRequests:
		return verdict{Class: deliver.Unavailable, Cause: Throttled}, reason
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly:
		return verdict{Class: deliver.Unavailable, Cause: Busy}, reason
	}
	return verdict{Class: deliver.Unavailable, Cause: NotGmail}, reason
}

// retryAt is how Gmail says when a rate limit ends.
var retryAt = regexp.MustCompile(`(?i)retry after (\d{4}-\d\d-\d\dT[\d:.]+Z)`)

// refused is the error of an answer that is none of the class 2xx.
func (a *api) refused(stage string, answer *web.Answer) *deliver.Error {
	var r refusal
	_ = json.Unmarshal(answer.Body, &r) // some intermediary's page says nothing
	v, reason := classify(answer.Status, &r)
	if v.Pause == untilReset {
		v.Pause = untilMidnight(time.Now())
	}
	v.Pause = max(v.Pause, answer.Pause())
	if m := retryAt.FindStringSubmatch(r.Error.Message); m != nil {
		if at, err := time.Parse(time.RFC3339, m[1]); err == nil {
			v.Pause = max(v.Pause, min(time.Until(at), 24*time.Hour))
		}
	}
	text := fmt.Sprintf("status %d", answer.Status)
	if reason != "" {
		text += " " + remote.Clean(reason)
	}
	if r.Error.Message != "" {
		text += ": " + remote.Clean(r.Error.Message)
	}
	e := a.failure(v, stage, errors.New(text))
	own := e.Err.(*Error)
	own.Status, own.Reason = answer.Status, reason
	return e
}

// untilMidnight is the time until limits of a day begin again, at midnight Pacific
// time; at least an hour, as that changes with the season.
func untilMidnight(now time.Time) time.Duration {
	pacific := now.UTC().Add(-8 * time.Hour)
	return max(time.Hour, pacific.Truncate(24*time.Hour).Add(24*time.Hour).Sub(pacific))
}

// failure is an error in this package's form: "gmail HOST: stage: cause".
func (a *api) failure(v verdict, stage string, err error) *deliver.Error {
	return v.Failure("gmail "+a.o.Web.Name, stage, err)
}

// failed makes a delivery's failure of any error.
func (a *api) failed(stage string, err error) *deliver.Error {
	if known, ok := errors.AsType[*deliver.Error](err); ok {
		return known
	}
	if e, ok := errors.AsType[*web.Error](err); ok { // its text has the host
		return &deliver.Error{Class: e.Class(), Err: &Error{Err: fmt.Errorf("gmail %w", err)}}
	}
	return a.failure(verdict{Class: deliver.Later}, stage, err)
}

// passing reports whether the same call may pass in a while.
func passing(err error) bool {
	switch causeOf(err) {
	case Throttled, Busy:
		return true
	}
	e, ok := errors.AsType[*web.Error](err)
	return ok && e.Class() == deliver.Unavailable && e.Cause != web.NoLogin
}
