package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// TestFailure: what goes on record for a target's answer.
func TestFailure(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	said := func(c deliver.Class) error { return &deliver.Error{Class: c, Err: errors.New("no")} }
	hours := func(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }
	tests := []struct {
		name   string
		known  state.Failure
		err    error
		target string
		count  int
		later  bool
		never  bool // refused, of three tries
		pause  time.Duration
	}{
		{"later, first", state.Failure{}, said(deliver.Later), "t", 1, true, false, 0},
		{"later, for ever", state.Failure{Target: "t", Count: 500, Later: true, First: hours(4000)}, said(deliver.Later), "t", 501,
			true, false, 24 * time.Hour},
		{"later, for eight hours", state.Failure{Target: "t", Count: 9, Later: true, First: hours(8)}, said(deliver.Later), "t",
			10, true, false, 2 * time.Hour},
		{"later, after failures", state.Failure{Target: "t", Count: 2, First: hours(9)}, said(deliver.Later), "t", 1, true, false, 0},
		{"failed, after later", state.Failure{Target: "t", Count: 90, Later: true, First: hours(9)}, said(deliver.Failed), "t", 1,
			false, false, 0},
		{"failed thrice", state.Failure{Target: "t", Count: 2, First: hours(9)}, said(deliver.Failed), "t", 3, false, true, time.Hour},
		{"refused", state.Failure{}, said(deliver.Never), "t", 1, false, true, time.Hour},
		{"the server's refusal", state.Failure{Count: 2, First: hours(9)}, said(deliver.Later), "", 3, false, true, time.Hour},
		{"another target's", state.Failure{Target: "u", Count: 2}, said(deliver.Failed), "t", 1, false, false, 0},
	}
	for _, tc := range tests {
		f := nextFailure([]state.Failure{tc.known}, tc.target, tc.err, now)
		wait := pause(f, plan.DefaultPoison, true)
		if f.Count != tc.count || f.Later != tc.later || (&plan.Policy{}).Refused(f) != tc.never || wait != tc.pause && !f.Permanent {
			t.Errorf("%s: %+v, refused %v, pause %v", tc.name, f, (&plan.Policy{}).Refused(f), wait)
		}
	}
	if f := nextFailure([]state.Failure{{Target: "t", Count: 9, Later: true, First: hours(99)}}, "t", said(deliver.Later),
		now); pause(f, 3, false) != 0 {
		t.Error("a message waits for a target that takes nothing")
	}
}
