package session

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Some servers answer QUIT first and delete then (Inbucket, WildDuck): a session
// that follows at once lists messages that are about to go, and breaks over
// them. So a look at what comes after deletions is repeated after a pause.

// Confirmed are the messages of a run whose deletion the server has confirmed,
// and how far they were seen to go.
type Confirmed struct {
	keys    map[state.Key]bool
	all     []time.Duration
	left    []time.Duration    // of the pauses
	patient bool               // use them all, also without progress
	earlier map[state.Key]bool // confirmed by an earlier run, and listed by this one
	still   []state.Key        // of keys, those that the last listing holds
	before  int                // how many of them the last look found
	stuck   int                // looks in a row that found no fewer
	list    []pop3.Message     // what the last session listed
}

// Unread is what a look found that broke before it had the listing.
const Unread = -1

// lookPauses are the waits before one looks once more for what was deleted.
var lookPauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// NewConfirmed begins with none. Pauses are for tests: nil means the usual ones.
func NewConfirmed(pauses []time.Duration, patient bool) *Confirmed {
	if pauses == nil {
		pauses = lookPauses
	}
	return &Confirmed{keys: make(map[state.Key]bool), earlier: make(map[state.Key]bool), all: pauses, left: pauses, before: math.MaxInt, stuck: -1, patient: patient}
}

// Add takes what a session deleted and returns how much of that is new. Other
// are messages that were found to be others than those known by their keys.
func (c *Confirmed) Add(keys []state.Key, compared map[state.Key]bool) int {
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

// Among is how many of them are in a listing.
func (c *Confirmed) Among(listed map[state.Key]bool) (n int) {
	for k := range c.keys {
		if listed[k] {
			n++
		}
	}
	return n
}

// skipped is how many of them are among the items of a plan.
func (c *Confirmed) skipped(items []plan.Item) int {
	c.still = nil
	for i := range items {
		if items[i].Why == plan.Reappeared && c.keys[items[i].Key] {
			c.still = append(c.still, items[i].Key)
		}
	}
	return len(c.still)
}

// hidden are those that may be in this listing under new unique-ids, and fresh
// the messages that they may be: a server that carries deletions out late may give
// out new ones before. What was not listed a moment ago, and has the sizes of what
// was, is suspected.
func (c *Confirmed) hidden(list []pop3.Message, retrieve []plan.Item) (fresh []plan.Item, hidden []state.Key) {
	last := c.list
	if c.list = list; len(c.keys) == 0 {
		return nil, nil
	}
	listed, sizes := make(map[state.Key]bool, len(last)), make(map[int64]int)
	for _, it := range plan.Items(last) {
		listed[it.Key] = true
		sizes[it.Size]++
	}
	alike := 0
	for _, it := range retrieve {
		if listed[it.Key] {
			continue
		}
		if fresh = append(fresh, it); sizes[it.Size] == 1 { // a size that many have tells nothing
			alike++
		}
	}
	if len(fresh) == 0 || 2*alike < len(fresh) {
		return nil, nil
	}
	return fresh, slices.Collect(maps.Keys(c.keys))
}

// Note says how many are listed although an earlier run or this one had them
// confirmed, or else that a look came to nothing, and why; empty if neither.
func (c *Confirmed) Note(unseen error) string {
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
	return fmt.Sprintf("%s whose deletion the server confirmed %s listed again: delivered, not fetched again and not counted twice; some providers archive instead of deleting, by a setting", ledger.Counted(n, "message"), ledger.IsAre(n))
}

// Len is how many there are.
func (c *Confirmed) Len() int { return len(c.keys) }

// Has reports whether the deletion of a message is confirmed.
func (c *Confirmed) Has(k state.Key) bool { return c.keys[k] }

// Next is the pause before another look, after one that found n of them, or
// Unread; false if it is not worth one.
func (c *Confirmed) Next(n int) (time.Duration, bool) {
	c.stuck++
	if n != Unread {
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

// LookAgain is the pause before another look, after one that found n of what
// was deleted, or Unread; false if it is not worth one, or the server's
// LOGIN-DELAY forbids it.
func (m *Maildrop) LookAgain(done *Confirmed, n int) (time.Duration, bool) {
	pause, ok := done.Next(n)
	return pause, ok && m.Dialer.Pause() <= max(m.Dialer.Wait, pause)
}

func (c *Confirmed) unseen(err error) string {
	note := fmt.Sprintf("whether the server lists more now could not be seen, the next run looks: %v", err)
	if n := len(c.keys); n > 0 {
		note = ledger.Counted(n, "deletion") + " confirmed; " + note
	}
	return note
}
