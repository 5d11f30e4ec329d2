package fetch

import (
	"errors"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/schedule"
)

func TestParts(t *testing.T) {
	short := func(messages int, bytes int64) schedule.Part {
		return schedule.Part{Messages: messages, Bytes: bytes, Short: true}
	}
	if got := partLimits(plan.Limits{}, short(0, 0)); got.Messages != partMessages || got.Bytes != partBytes {
		t.Errorf("a part of a run without limits: %+v", got)
	}
	if got := partLimits(plan.Limits{Rate: 7}, schedule.Part{}); got != (plan.Limits{Rate: 7}) {
		t.Errorf("nobody waits: %+v", got)
	}
	own := plan.Limits{Messages: partMessages + 10, Bytes: 100}
	if got := partLimits(own, short(partMessages, 60)); got.Messages != 10 || got.Bytes != 40 {
		t.Errorf("the rest of its own limits: %+v", got)
	}
	cut := func(n int, bytes int64, err error) *Summary {
		return &Summary{Fetched: n, Bytes: bytes, Skips: map[plan.Reason]int{plan.OverLimit: 5}, Err: err}
	}
	for name, tc := range map[string]struct {
		own  plan.Limits
		sum  *Summary
		want bool
	}{
		"all done":         {plan.Limits{}, &Summary{Fetched: 7}, false},
		"cut short":        {plan.Limits{}, cut(7, 0, nil), true},
		"some failed":      {plan.Limits{}, cut(7, 0, &PartialError{Failed: 1, First: errors.New("x")}), true},
		"no headway":       {plan.Limits{}, cut(0, 0, nil), false},
		"failed":           {plan.Limits{}, cut(7, 0, &Error{Exit: ExitTemp, Err: errors.New("x")}), false},
		"own limit":        {plan.Limits{Messages: 9}, cut(7, 0, nil), false},
		"own limit, bytes": {plan.Limits{Bytes: 7}, cut(7, 5, nil), false},
		"own limit later":  {plan.Limits{Messages: 10}, cut(7, 0, nil), true},
	} {
		if got := partResult(tc.own, short(2, 3), tc.sum).More; got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestRefusalsAreRefusals: a login that was refused in words that sound like time
// is tried no more often than any other refused one.
func TestRefusalsAreRefusals(t *testing.T) {
	login := func(text string, code pop3.RespCode) error {
		return &pop3.LoginError{Login: "USER", Err: &pop3.Error{Command: "PASS", Text: text, Code: code}}
	}
	for _, tc := range []struct {
		err  error
		want schedule.Result
	}{
		{login("Invalid user name or password, please try again", pop3.None), schedule.Result{Class: schedule.Refused}},
		{login("Account locked by administrator", pop3.None), schedule.Result{Class: schedule.Refused}},
		{login("Disk quota exceeded, wait", pop3.None), schedule.Result{Class: schedule.Refused}},
		{login("so sorry", pop3.None), schedule.Result{Class: schedule.Refused}},
		{login("internal error", pop3.None), schedule.Result{Class: schedule.Temporary}},
		{login("too early", pop3.LoginDelay), schedule.Result{Class: schedule.Temporary, TooEarly: true}},
		{&PartialError{Failed: 1, First: errors.New("x")}, schedule.Result{Class: schedule.Usual}},
		{&Error{Exit: ExitIO, Err: errors.New("x")}, schedule.Result{Class: schedule.Faulty}},
		{&Error{Exit: ExitUnavailable, Err: errors.New("x")}, schedule.Result{Class: schedule.Temporary}},
	} {
		if got := partResult(plan.Limits{}, schedule.Part{}, &Summary{Err: tc.err}); got != tc.want {
			t.Errorf("%v: %+v, want %+v", tc.err, got, tc.want)
		}
	}
}
