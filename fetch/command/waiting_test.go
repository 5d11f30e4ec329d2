package command

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/state"
)

func TestWaiting(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return time.Date(2030, 1, 1, h, 0, 0, 0, time.UTC) }
	if w := waitingOf(map[state.Key][]state.Failure{"a": {{Count: 2}}, "b": {{Target: "t", Permanent: true}}}); w != nil {
		t.Errorf("%+v", w)
	}
	got := waitingOf(map[state.Key][]state.Failure{
		"a": {{Target: "t", Later: true, First: at(3), Next: at(9), Err: "full"},
			{Target: "u", Later: true, First: at(4), Next: at(8), Err: "busy"}},
		"b": {{Target: "t", Later: true, First: at(2), Next: at(10), Err: "greylisted"}},
		"c": {{Target: "t"}},
	})
	if diff := cmp.Diff(&jsonline.Waiting{Messages: 2, Since: at(2), Next: at(8), Err: "greylisted"}, got); diff != "" {
		t.Error(diff)
	}
}
