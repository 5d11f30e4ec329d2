package fetch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// TestUIDLRefusedOnce: it is announced, or worked before: the run is one for
// later, and nothing comes twice.
func TestUIDLRefusedOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]pop3test.Options{
		"announced":         {},
		"not announced":     {Capa: []string{"USER", "TOP"}},
		"no TOP":            {NoTOP: true},
		"neither announced": {Capa: []string{"USER"}, NoTOP: true},
	} {
		for _, none := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", keep none ", none), func(t *testing.T) {
				t.Parallel()
				o := o
				o.Faults = []pop3test.Fault{{On: "UIDL", Nth: 2, Do: pop3test.Err("not available")}}
				g := fetchtest.New(t, &pop3test.Maildrop{}, o)
				g.Add(3)
				if s := g.Run(); s.Err != nil || s.Fetched != 3 {
					t.Fatalf("%+v", s)
				}
				g.Account.Policy.Keep.None = none
				s := g.Run()
				if fetch.ExitOf(s.Err) != fetch.ExitTemp || s.Fetched+s.Deleted != 0 || !strings.Contains(s.Err.Error(), "not available") {
					t.Errorf("refused: %+v", s)
				}
				if s := g.Run(); s.Err != nil || s.Fetched != 0 || g.Delivered() != 3 {
					t.Errorf("after that: %+v, %d delivered", s, g.Delivered())
				}
			})
		}
	}
}

// TestUIDLRefusedForGood: after some runs messages are known by their headers,
// and those that had unique-ids are recognised.
func TestUIDLRefusedForGood(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{},
		pop3test.Options{Faults: []pop3test.Fault{{On: "UIDL", Nth: 2, Always: true, Do: pop3test.Err("gone")}}})
	g.Add(3)
	g.Run()
	for range fetch.UIDLPatience {
		if s := g.Run(); fetch.ExitOf(s.Err) != fetch.ExitTemp {
			t.Errorf("%+v", s)
		}
	}
	g.Add(1)
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != 4 {
		t.Errorf("%+v, %d delivered", s, g.Delivered())
	}
}

// TestTopRefusedForOneMessage, on a server without UIDL: that one waits, the
// others are fetched, and nobody is advised to delete mail.
func TestTopRefusedForOneMessage(t *testing.T) {
	t.Parallel()
	for _, capa := range [][]string{nil, {"USER"}} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprint(capa, n), func(t *testing.T) {
				t.Parallel()
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoUIDL: true, Capa: capa, Faults: []pop3test.Fault{
					{On: fmt.Sprintf("TOP %d 0", n), Do: pop3test.Err("no such message")}}})
				g.Add(3)
				s := g.Run()
				if s.Err != nil || s.Fetched != 2 || !strings.Contains(fmt.Sprint(s.Notes), "of 1 message") {
					t.Errorf("%+v", s)
				}
				if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != 3 {
					t.Errorf("next run: %+v, %d delivered", s, g.Delivered())
				}
			})
		}
	}
}

// TestTopRefusedForAllOnce: a refusal of what worked before, or of the only
// message, is no absence.
func TestTopRefusedForAllOnce(t *testing.T) {
	t.Parallel()
	for _, fetched := range []bool{false, true} {
		g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoUIDL: true, NoCAPA: true, Faults: []pop3test.Fault{
			{On: "TOP", Nth: 1 + b2i(fetched), Do: pop3test.Err("busy")}}})
		g.Add(1)
		if fetched {
			g.Run()
		}
		if s := g.Run(); fetch.ExitOf(s.Err) != fetch.ExitTemp || !isLater(s.Err) {
			t.Errorf("fetched before %v: %v", fetched, s.Err)
		}
		if s := g.Run(); s.Err != nil || g.Delivered() != 1 {
			t.Errorf("fetched before %v: %+v", fetched, s)
		}
	}
}

// isLater reports whether the server may show headers later.
func isLater(err error) bool {
	e, ok := errors.AsType[*session.NoIdentityError](err)
	return ok && e.Later
}
