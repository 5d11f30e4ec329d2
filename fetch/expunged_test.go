package fetch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestExpungedMeanwhile: another program deletes a message while we fetch. It is
// not reported as one that stays, and once a listing lacks it nothing is left on
// record.
func TestExpungedMeanwhile(t *testing.T) {
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{
		{On: "RETR 2", Do: pop3test.Err("Message 2 expunged.")}}})
	g.Add(3)
	s := g.Run()
	if fetch.ExitOf(s.Err) != fetch.ExitData || s.Fetched != 2 || strings.Contains(s.Err.Error(), "stay") {
		t.Fatalf("fetched %d, err %v", s.Fetched, s.Err)
	}
	g.Drop.Remove(1)
	if s := g.Run(); s.Err != nil || s.Fetched != 0 {
		t.Errorf("next run: fetched %d, err %v", s.Fetched, s.Err)
	}
	g.View(func(v *state.View) {
		if f := v.Failures(); len(f) != 0 {
			t.Errorf("still on record: %v", f)
		}
	})
}

func TestPartialError(t *testing.T) {
	for want, e := range map[string]*fetch.PartialError{
		"1 message could not be retrieved: x":                                {Failed: 1, Unsent: 1},
		"2 messages could not be retrieved; the first: x":                    {Failed: 2, Unsent: 2},
		"1 message failed and stays on the server: x":                        {Failed: 1},
		"3 messages failed and stay on the server; the first: x":             {Failed: 3},
		"3 messages failed, of which 1 could not be retrieved; the first: x": {Failed: 3, Unsent: 1},
	} {
		if e.First = errors.New("x"); e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
	}
}
