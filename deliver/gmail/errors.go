package gmail

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
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

// Error is the cause of a failed call; its text names the host.
type Error struct {
	Cause Cause
	// Pause is how long Gmail wants to be left alone; zero: it does not say.
	Pause time.Duration
	// Status and Reason are what it answered; zero: nothing.
	Status int
	Reason string
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }

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

// verdict is what an answer means.
type verdict struct {
	class deliver.Class
	cause Cause
	pause time.Duration
}

// reasons are those of status 400 to 499 that say more than the status. Other people's
// words are not read.
var reasons = map[string]verdict{
	"rateLimitExceeded":     {class: deliver.Unavailable, cause: Throttled},
	"userRateLimitExceeded": {class: deliver.Unavailable, cause: Throttled},
	"RATE_LIMIT_EXCEEDED":   {class: deliver.Unavailable, cause: Throttled},
	"quotaExceeded":         {class: deliver.Unavailable, cause: DailyLimit, pause: time.Hour},
	"dailyLimitExceeded":    {class: deliver.Unavailable, cause: DailyLimit, pause: untilReset},
	"domainPolicy":          {class: deliver.Denied, cause: Policy},

	"insufficientPermissions":         {class: deliver.Denied, cause: NoScope},
	"ACCESS_TOKEN_SCOPE_INSUFFICIENT": {class: deliver.Denied, cause: NoScope},

	"accessNotConfigured":     {class: deliver.Denied, cause: APIOff},
	"SERVICE_DISABLED":        {class: deliver.Denied, cause: APIOff},
	"failedPrecondition":      {class: deliver.CannotCreate, cause: MailOff},
	"invalidArgument":         {class: deliver.Never, cause: Rejected},
	"uploadTooLarge":          {class: deliver.Never, cause: TooBig},
	"backendError":            {class: deliver.Unavailable, cause: Busy},
	"authError":               {class: deliver.Denied, cause: LoginRefused},
	"dailyLimitExceededUnreg": {class: deliver.Denied, cause: APIOff},
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
		reason = firstOf(reason, e.Reason)
	}
	switch {
	case status == http.StatusBadRequest && reason == "badRequest" && r.Error.Message != "Bad Request":
		return verdict{class: deliver.Never, cause: Rejected}, reason
	case status == http.StatusBadRequest: // nothing is said: another try may pass
		return verdict{class: deliver.Failed, cause: Rejected}, reason
	case status == http.StatusUnauthorized:
		return verdict{class: deliver.Denied, cause: LoginRefused}, reason
	case status == http.StatusForbidden:
		return verdict{class: deliver.Denied, cause: CauseOther}, reason
	case status == http.StatusRequestEntityTooLarge:
		return verdict{class: deliver.Never, cause: TooBig}, reason
	case status == http.StatusTooManyRequests:
		return verdict{class: deliver.Unavailable, cause: Throttled}, reason
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly:
		return verdict{class: deliver.Unavailable, cause: Busy}, reason
	}
	return verdict{class: deliver.Unavailable, cause: NotGmail}, reason
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// retryAt is how Gmail says when a rate limit ends.
var retryAt = regexp.MustCompile(`(?i)retry after (\d{4}-\d\d-\d\dT[\d:.]+Z)`)

// refused is the error of an answer that is none of the class 2xx.
func (a *api) refused(stage string, answer *web.Answer) *deliver.Error {
	var r refusal
	_ = json.Unmarshal(answer.Body, &r) // some intermediary's page says nothing
	v, reason := classify(answer.Status, &r)
	if v.pause == untilReset {
		v.pause = untilMidnight(time.Now())
	}
	v.pause = max(v.pause, answer.Pause())
	if m := retryAt.FindStringSubmatch(r.Error.Message); m != nil {
		if at, err := time.Parse(time.RFC3339, m[1]); err == nil {
			v.pause = max(v.pause, min(time.Until(at), 24*time.Hour))
		}
	}
	text := fmt.Sprintf("status %d", answer.Status)
	if reason != "" {
		text += " " + clean(reason)
	}
	if r.Error.Message != "" {
		text += ": " + clean(r.Error.Message)
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
	if stage != "" {
		err = fmt.Errorf("%s: %w", stage, err)
	}
	return &deliver.Error{Class: v.class, Pause: v.pause,
		Err: &Error{Cause: v.cause, Pause: v.pause, Err: fmt.Errorf("gmail %s: %w", a.o.Web.Name, err)}}
}

// failed makes a delivery's failure of any error.
func (a *api) failed(stage string, err error) *deliver.Error {
	if known, ok := errors.AsType[*deliver.Error](err); ok {
		return known
	}
	if e, ok := errors.AsType[*web.Error](err); ok { // its text has the host
		return &deliver.Error{Class: e.Class(), Err: &Error{Err: fmt.Errorf("gmail %w", err)}}
	}
	return a.failure(verdict{class: deliver.Later}, stage, err)
}

func causeOf(err error) Cause {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cause
	}
	return CauseOther
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

// maxText bounds what is shown of what a server says.
const maxText = 300

// clean makes foreign text fit into one line.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return s
}
