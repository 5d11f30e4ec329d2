package fetch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Some servers answer QUIT first and delete then (Inbucket, WildDuck): a session
// that follows at once lists messages that are about to go, and breaks over
// them. So a look at what comes after deletions is repeated after a pause.

// lookPauses are the waits before one looks once more.
func (f *Fetcher) lookPauses() []time.Duration {
	if f.pauses != nil {
		return f.pauses
	}
	return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
}

// confirmed are the messages of a run whose deletion the server has confirmed,
// and how far they were seen to go.
type confirmed struct {
	keys    map[state.Key]bool
	all     []time.Duration
	left    []time.Duration    // of the pauses
	patient bool               // use them all, also without progress
	earlier map[state.Key]bool // confirmed by an earlier run, and listed by this one
	still   []state.Key        // of keys, those that the last listing holds
	before  int                // how many of them the last look found
	stuck   int                // looks in a row that found no fewer
}

// unread is what a look found that broke before it had the listing.
const unread = -1

func newConfirmed(pauses []time.Duration, patient bool) *confirmed {
	return &confirmed{keys: make(map[state.Key]bool), earlier: make(map[state.Key]bool), all: pauses, left: pauses, before: math.MaxInt, stuck: -1, patient: patient}
}

// add takes what a session deleted and returns how much of that is new. Other
// are messages that were found to be others than those known by their keys.
func (c *confirmed) add(keys []state.Key, compared map[state.Key]bool) int {
	for k, other := range compared {
		if other {
			delete(c.keys, k)
			delete(c.earlier, k)
		}
	}
	var fresh []state.Key
	for _, k := range keys {
		if !c.keys[k] {
			fresh = append(fresh, k)
		}
	}
	n := len(fresh)
	for _, k := range fresh {
		c.keys[k] = true
		if c.earlier[k] {
			n--
		}
	}
	if len(fresh) > 0 {
		c.left, c.before, c.stuck = c.all, math.MaxInt, -1
	}
	return n
}

// among is how many of them are in a listing.
func (c *confirmed) among(listed map[state.Key]bool) (n int) {
	for k := range c.keys {
		if listed[k] {
			n++
		}
	}
	return n
}

// skipped is how many of them are among the items of a plan.
func (c *confirmed) skipped(items []plan.Item) int {
	c.still = nil
	for i := range items {
		if items[i].Why == plan.Reappeared && c.keys[items[i].Key] {
			c.still = append(c.still, items[i].Key)
		}
	}
	return len(c.still)
}

// note says how many are listed although an earlier run or this one had them
// confirmed, or else that a look came to nothing, and why; empty if neither.
func (c *confirmed) note(unseen error) string {
	n := len(c.earlier)
	for _, k := range c.still {
		if !c.earlier[k] {
			n++
		}
	}
	switch {
	case n == 0 && unseen != nil:
		return c.unseen(unseen)
	case n == 0:
		return ""
	}
	return fmt.Sprintf("%s whose deletion the server confirmed %s listed again: delivered, not fetched again and not counted twice; some providers archive instead of deleting, by a setting", counted(n, "message"), isAre(n))
}

// next is the pause before another look, after one that found n of them, or
// unread; false if it is not worth one.
func (c *confirmed) next(n int) (time.Duration, bool) {
	c.stuck++
	if n != unread {
		if n < c.before {
			c.stuck = 0
		}
		c.before = n
	}
	if len(c.left) == 0 || c.stuck > 1 && !c.patient {
		return 0, false
	}
	pause := c.left[0]
	c.left = c.left[1:]
	return pause, true
}

// lookAgain is next, unless the server's LOGIN-DELAY forbids it.
func (r *run) lookAgain(done *confirmed, n int) (time.Duration, bool) {
	pause, ok := done.next(n)
	return pause, ok && r.loginPause() <= max(r.a.Wait, pause)
}

// lookAfter is lookAgain after a look that ended with err.
func (r *run) lookAfter(done *confirmed, err error) (time.Duration, bool) {
	if !laterMayHelp(err) {
		return 0, false
	}
	return r.lookAgain(done, unread)
}

// mayDoWithout reports whether a look that nothing asked for, and that ended so,
// leaves the run as good as it was. If a login is refused now, the next run will
// say so.
func mayDoWithout(err error) bool {
	return laterMayHelp(err) || errors.As(err, new(*LoginDelayError)) || errors.As(err, new(*pop3.LoginError))
}

func (c *confirmed) unseen(err error) string {
	note := fmt.Sprintf("whether the server lists more now could not be seen, the next run looks: %v", err)
	if n := len(c.keys); n > 0 {
		note = counted(n, "deletion") + " confirmed; " + note
	}
	return note
}

// laterMayHelp reports whether a look that ended so is worth another one: the
// server was busy or confused. A refused login is not tried again.
func laterMayHelp(err error) bool {
	if errors.Is(err, context.Canceled) || errors.As(err, new(*LoginDelayError)) {
		return false
	}
	switch ExitOf(err) {
	case ExitOK, ExitUnavailable, ExitProtocol, ExitTemp:
		return true
	}
	return false
}
