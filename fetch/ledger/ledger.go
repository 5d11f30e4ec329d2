// Package ledger is what the two sides of a run share: what became of each
// message, and what people are told meanwhile. The network side and the commit
// side run at the same time; both types guard themselves.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Counts are messages of one run.
type Counts struct {
	// Fetched became visible in all targets, Quarantined were refused and are in
	// the quarantine, Failed could not be retrieved or delivered, Partly are in
	// some targets and not in all.
	Fetched, Quarantined, Failed, Partly int
	// Bytes is what Fetched add up to, with LF line ends.
	Bytes int64
	// Recovered are messages whose delivery an earlier run had begun, and this one
	// completed; Rescued of these are in the quarantine. RecoveredBytes is their size.
	Recovered, Rescued int
	RecoveredBytes     int64
	// Why is why the first of Quarantined was refused; nil if an earlier run
	// heard it.
	Why error
}

// Deletion is a message that is to be deleted from the server.
type Deletion struct {
	pop3.Message
	Key state.Key
}

// DeletionOf is that of an item.
func DeletionOf(it *plan.Item) Deletion { return Deletion{it.Message, it.Key} }

// failed is a message that this run could not retrieve (target "") or deliver,
// and did not quarantine.
type failed struct {
	targets []string
	nth     int // in the order of failing
	err     error
}

// Ledger holds the outcomes of one run's messages.
type Ledger struct {
	journal  *Journal
	policy   *plan.Policy
	recorded map[state.Key][]state.Failure // by earlier runs
	refuses  bool                          // there is a quarantine

	mu       sync.Mutex // guards what follows
	counts   Counts
	toRecord map[state.Key][]state.Failure
	failed   map[state.Key]failed
	refused  []plan.Item // for good: to be quarantined
	partly   map[state.Key]bool
	settled  map[state.Key]bool // with Policy.All
	pending  []Deletion
}

// New makes the ledger of one run: recorded are the failures that the state
// holds. Quarantine says that there is a place for what a target refuses.
func New(j *Journal, p *plan.Policy, recorded map[state.Key][]state.Failure, quarantine bool) *Ledger {
	return &Ledger{
		journal:  j,
		policy:   p,
		recorded: recorded,
		refuses:  quarantine && p.OnReject == plan.Quarantine,
		toRecord: make(map[state.Key][]state.Failure),
		failed:   make(map[state.Key]failed),
		partly:   make(map[state.Key]bool),
		settled:  make(map[state.Key]bool),
	}
}

// Counts are those so far.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Failed, c.Partly = len(l.failed), len(l.partly)
	return c
}

// Settle counts a message of size octets that is seen from now on.
func (l *Ledger) Settle(it *plan.Item, size int64) {
	l.journal.settled()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.partly, it.Key)
	if l.policy.All {
		l.settled[it.Key] = true
	}
	if len(it.RefusedBy) > 0 {
		return // refused somewhere: it stays on the server
	}
	l.counts.Fetched++
	l.counts.Bytes += size
	if it.Delete {
		l.pending = append(l.pending, DeletionOf(it))
	}
}

// Recovered counts a message whose delivery an earlier run had begun.
func (l *Ledger) Recovered(e *state.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Recovered++
	if e.Quarantined() {
		l.counts.Rescued++
	} else {
		l.counts.RecoveredBytes += e.Size
	}
	l.journal.settled()
}

// Settled are the messages that this run has settled, with Policy.All.
func (l *Ledger) Settled() map[state.Key]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled
}

// Partly notes that some targets have a message and others lack it.
func (l *Ledger) Partly(k state.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partly[k] = true
}

// Delete notes that a message may be deleted from the server.
func (l *Ledger) Delete(it *plan.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, DeletionOf(it))
}

// Pending is how many deletions there are to do.
func (l *Ledger) Pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

// TakeDeletions hands over the deletions to do.
func (l *Ledger) TakeDeletions() []Deletion {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.pending
	l.pending = nil
	return out
}

// NewSession drops what a broken session left to be done with messages: a
// message number means nothing in the next one (RFC 1939 section 4). The state
// knows what is seen and what was refused.
func (l *Ledger) NewSession() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending, l.refused = nil, nil
}

// Fail notes that a message could not be retrieved (no target) or delivered. It
// stays on the server. Takes says that the target has taken other messages.
func (l *Ledger) Fail(it *plan.Item, target string, err error, takes bool) {
	if errors.Is(err, context.Canceled) {
		return // the run was stopped: that is no failure of the message
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fail := nextFailure(l.recorded[it.Key], target, unnamed(err), l.journal.Now())
	fail.Next = fail.Last.Add(pause(fail, max(cmp.Or(l.policy.Poison, plan.DefaultPoison), 1), takes))
	fail.Key, fail.Size, fail.Suspect = it.Key, max(it.Size, 0), it.Suspect && target == ""
	l.countFailed(it.Key, target, err)
	l.toRecord[it.Key] = append(l.toRecord[it.Key], fail)
	l.journal.Log.Warn("message failed", "uid", it.UID, "num", it.Num, "target", target, "err", unnamed(err))
	if target != "" && l.refuses && l.policy.Refused(fail) {
		again := *it
		again.Rejected = true
		again.RefusedBy = []string{target}
		l.refused = append(l.refused, again)
	}
}

// Refuse counts a message that goes to the quarantine in place of RefusedBy, which were
// not asked. It is no failure any more once it is there.
func (l *Ledger) Refuse(it *plan.Item, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range it.RefusedBy {
		l.countFailed(it.Key, t, err)
	}
	l.journal.Log.Warn("message goes to the quarantine", "uid", it.UID, "num", it.Num, "err", unnamed(err))
}

// countFailed is called with l.mu held.
func (l *Ledger) countFailed(k state.Key, target string, err error) {
	f, again := l.failed[k]
	if !again {
		f.nth, f.err = len(l.failed), err
	}
	if !slices.Contains(f.targets, target) {
		f.targets = append(f.targets, target)
	}
	l.failed[k] = f
}

// Pardon takes back that messages failed at a target: it is the target that
// takes nothing at present. It stays on record that they were tried.
func (l *Ledger) Pardon(items []*plan.Item, target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		text := ""
		if f := l.failed[it.Key]; f.err != nil {
			text = f.err.Error()
		}
		l.toRecord[it.Key] = append(l.toRecord[it.Key], uncounted(l.recorded[it.Key], it.Key, target, text, l.journal.Now()))
		l.uncount(it.Key, []string{target})
		l.refused = slices.DeleteFunc(l.refused, func(again plan.Item) bool { return again.Key == it.Key && again.RefusedBy[0] == target })
	}
}

// TriedLast puts a message behind the others of the next run: its target
// stopped at it, and may do so at this one alone.
func (l *Ledger) TriedLast(it *plan.Item, target string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.toRecord[it.Key] = append(l.toRecord[it.Key], uncounted(l.recorded[it.Key], it.Key, target, unnamed(err).Error(), l.journal.Now()))
}

// Suspect puts a message on record as one to be tried last and alone, without
// counting a failure. It stays on the server.
func (l *Ledger) Suspect(it *plan.Item, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, why := l.journal.Now(), unnamed(why)
	fail := uncounted(l.recorded[it.Key], it.Key, "", why.Error(), now)
	fail.Size, fail.Suspect, fail.Next, fail.Err = max(it.Size, 0), true, now, why.Error()
	l.toRecord[it.Key] = append(l.toRecord[it.Key], fail)
	l.journal.Log.Info("message waits, to be tried last and alone", "uid", it.UID, "num", it.Num, "bytes", it.Size, "err", why)
}

// Failed reports whether the retrieval of a message failed in this run.
func (l *Ledger) Failed(k state.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.failed[k].targets, "")
}

// Failures are the errors of the messages that failed, in the order of failing.
func (l *Ledger) Failures() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.SortedFunc(maps.Values(l.failed), func(a, b failed) int { return a.nth - b.nth })
	errs := make([]error, len(all))
	for i := range all {
		errs[i] = all[i].err
	}
	return errs
}

// TakeFailures hands over what is to be recorded.
func (l *Ledger) TakeFailures() []state.Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []state.Failure
	for _, fs := range l.toRecord {
		out = append(out, fs...)
	}
	clear(l.toRecord)
	return out
}

// TakeRefused hands over the messages to quarantine, each once whatever number
// of targets refused it. To quarantine them is all that is left to do for them
// in this run: their other targets have them, or are tried again by the next.
func (l *Ledger) TakeRefused() (out []plan.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := make(map[state.Key]int)
	for _, it := range l.refused {
		if i, known := at[it.Key]; known {
			out[i].RefusedBy = append(out[i].RefusedBy, it.RefusedBy...)
			continue
		}
		at[it.Key] = len(out)
		out = append(out, it)
	}
	l.refused = nil
	return out
}

// Quarantine counts a message that is in the quarantine, durably.
func (l *Ledger) Quarantine(it *plan.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Quarantined++
	why := l.failed[it.Key].err
	for _, target := range it.RefusedBy {
		if f := failureAt(l.recorded[it.Key], target); f != nil && why == nil {
			why = errors.New(f.Err) // an earlier run's
		}
	}
	l.counts.Why = cmp.Or(l.counts.Why, why)
	l.uncount(it.Key, it.RefusedBy)
}

// uncount takes back that a message failed at some targets. Called with l.mu
// held.
func (l *Ledger) uncount(k state.Key, targets []string) {
	f := l.failed[k]
	f.targets = slices.DeleteFunc(f.targets, func(t string) bool { return slices.Contains(targets, t) })
	if l.failed[k] = f; len(f.targets) == 0 {
		delete(l.failed, k)
	}
}
