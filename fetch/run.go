package fetch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// run is one account's run: what the network side and the commit side share.
type run struct {
	f   *Fetcher
	a   *Account
	db  *state.DB
	log *slog.Logger

	facts      state.Facts
	failures   map[state.Key][]state.Failure // as on record when the run began
	prints     printed
	poll       bool               // what is not new does not matter
	offline    func()             // see Fetcher.poll
	close      func() error       // the targets, once
	unsized    bool               // this session's listing has no sizes: see diffSized
	compared   map[state.Key]bool // reappeared messages of this session: see Known.Compared
	quirks     []quirk            // not confirmed yet
	agreedOn   bool               // the saved plan was compared with what there is to do
	again      bool               // another session is wanted: it has what this one lacked
	limiter    *rate.Limiter      // nil: as fast as it goes
	triedRenew bool               // a refused login was tried again with a new secret
	budgeted   int64              // octets of this run that are in the day's budget already
	later      postponed          // the commit side's
	suspects   suspects           // the network side's

	mu       sync.Mutex // guards what follows
	sum      Summary
	event    Event
	reported time.Time
	out      map[*Target]error             // targets that take nothing more in this run
	fails    map[state.Key][]state.Failure // to be recorded with the next transaction
	failed   map[state.Key]failed          // by this run, and not set aside
	asideFor error                         // why the first message that was set aside was refused
	rejected []plan.Item                   // refused for good in this pass, to be set aside
	partly   map[state.Key]bool            // in some targets, but not in all
	doomed   []deletion                    // settled
	got      map[state.Key]bool            // settled in this run, with Policy.All
}

func (f *Fetcher) newRun(a *Account) *run {
	return &run{
		close:   sync.OnceValue(a.closeTargets),
		f:       f,
		a:       a,
		log:     f.log().With(slog.String("account", a.Name)),
		out:     make(map[*Target]error),
		fails:   make(map[state.Key][]state.Failure),
		failed:  make(map[state.Key]failed),
		got:     make(map[state.Key]bool),
		partly:  make(map[state.Key]bool),
		later:   newPostponed(),
		sum:     Summary{Account: a.Name, Started: f.now(), TrustImported: a.Policy.TrustImported, Planned: a.Exactly != nil},
		event:   Event{Account: a.Name},
		limiter: newLimiter(a.Limits.Rate),
	}
}

func (r *run) now() time.Time { return r.f.now() }

// targetIDs are all targets that a message must reach to be done.
func (r *run) targetIDs() []string {
	ids := make([]string, len(r.a.Targets))
	for i := range r.a.Targets {
		ids[i] = r.a.Targets[i].ID
	}
	return ids
}

// progress counts n octets from the network and tells the reporter now and
// then.
func (r *run) progress(n int) {
	r.mu.Lock()
	r.event.Bytes += int64(n)
	now := time.Now()
	due := now.Sub(r.reported) >= 100*time.Millisecond
	if due {
		r.reported = now
	}
	e := r.event
	r.mu.Unlock()
	if due {
		r.f.report(e)
	}
}

// enter tells the reporter that a stage begins.
func (r *run) enter(s Stage) {
	r.mu.Lock()
	r.event.Stage = s
	e := r.event
	r.mu.Unlock()
	r.f.report(e)
}

// addNote keeps a fact for the summary, once.
func (r *run) addNote(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.sum.Notes {
		if n == s {
			return
		}
	}
	r.sum.Notes = append(r.sum.Notes, s)
}

// settled counts a message that is seen from now on.
func (r *run) settled(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event.Messages++
	delete(r.partly, m.Key)
	if r.a.Policy.All {
		r.got[m.Key] = true
	}
	if len(m.SetAside) > 0 {
		return // refused somewhere: it stays on the server
	}
	r.sum.Fetched++
	r.sum.Bytes += m.size
	if m.Delete {
		r.doomed = append(r.doomed, deletionOf(&m.Item))
	}
}

// broken reports whether the target is out for this run.
func (r *run) broken(t *Target) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out[t] != nil
}

// breakTarget takes a target out for the rest of the run.
func (r *run) breakTarget(t *Target, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out[t] == nil {
		r.out[t] = err
		if !errors.Is(err, context.Canceled) { // else it is the run that stopped
			r.log.Error("target stopped", "target", t.ID, "err", err)
		}
	}
}

// stopIfBroken returns the error to end with once no target is left.
func (r *run) stopIfBroken() error {
	errs := r.targetErrors()
	for i := range r.a.Targets {
		if !r.broken(&r.a.Targets[i]) {
			return nil
		}
	}
	return joined(errs...)
}

// targetErrors are the errors of the targets that went out.
func (r *run) targetErrors() (errs []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.a.Targets {
		errs = append(errs, r.out[&r.a.Targets[i]])
	}
	return append(errs, r.out[r.a.SetAside])
}

// failDelivery sorts the failure of one target: the target's or the message's.
func (r *run) failDelivery(it *plan.Item, t *Target, err error) {
	var de *deliver.Error
	if !errors.As(err, &de) || de.Stops() || t == r.a.SetAside {
		r.breakTarget(t, err)
		return
	}
	r.failMessage(it, t.ID, err)
}

// failMessage notes that a message could not be retrieved (no target) or
// delivered. It stays on the server.
func (r *run) failMessage(it *plan.Item, target string, err error) {
	r.failAt(it, target, err, false)
}

// failAt is failMessage, knowing whether the target has taken other messages.
func (r *run) failAt(it *plan.Item, target string, err error, well bool) {
	if errors.Is(err, context.Canceled) {
		return // the run was stopped: that is no failure of the message
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fail := nextFailure(r.failures[it.Key], target, unnamed(err), r.now())
	fail.Next = fail.Last.Add(pause(fail, max(cmp.Or(r.a.Policy.Poison, plan.DefaultPoison), 1), well))
	fail.Key, fail.Size, fail.Suspect = it.Key, max(it.Size, 0), it.Suspect && target == ""
	r.countFailed(it.Key, target, err)
	r.fails[it.Key] = append(r.fails[it.Key], fail)
	r.log.Warn("message failed", "uid", it.UID, "num", it.Num, "target", target, "err", unnamed(err))
	r.reject(it, fail)
}

// pardon takes back that messages failed at a target: it is the target that
// takes nothing at present. It stays on record that they were tried.
func (r *run) pardon(items []*plan.Item, target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, it := range items {
		text := ""
		if f := r.failed[it.Key]; f.err != nil {
			text = f.err.Error()
		}
		r.fails[it.Key] = append(r.fails[it.Key], uncounted(r.failures[it.Key], it.Key, target, text, r.now()))
		r.uncount(it.Key, []string{target})
		r.rejected = slices.DeleteFunc(r.rejected, func(again plan.Item) bool { return again.Key == it.Key && again.SetAside[0] == target })
	}
}

// takeFailures hands over what is to be recorded.
func (r *run) takeFailures() []state.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []state.Failure
	for _, fs := range r.fails {
		out = append(out, fs...)
	}
	clear(r.fails)
	return out
}
