// Package watch follows runs: it keeps the status files, writes metrics, sends
// alerts and pings, and reports to systemd.
package watch

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/state"
)

// A run under way refreshes its status file every statusEvery. A new stage
// shows after statusSoon, since the server may fall silent in it; most runs are
// over by then, and each replaced file makes creating the next one slower.
const (
	statusEvery = time.Second
	statusSoon  = 500 * time.Millisecond
)

// StatusFiles keeps one status file a maildrop, so that `status` can answer
// while a run holds the state. Nothing depends on it: errors are not reported.
type StatusFiles struct {
	dir    string
	mu     sync.Mutex
	expiry func(account string) (token, login time.Time) // of OAuth; may be nil
	files  map[string]*statusFile                        // by account name
}

type statusFile struct {
	path  string
	s     state.StatusFile
	ours  bool // this run holds the maildrop
	wrote time.Time
	soon  *time.Timer // what is to be written; nil if nothing
}

func NewStatusFiles(dir string) *StatusFiles {
	return &StatusFiles{dir: dir, files: make(map[string]*statusFile)}
}

// Follow replaces the accounts (IDs by name) that the writer keeps files for.
func (w *StatusFiles) Follow(ids map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.files, func(name string, f *statusFile) bool { return ids[name] != f.s.ID && !f.ours })
	for name, id := range ids {
		if w.files[name] == nil {
			f := &statusFile{path: state.StatusPath(w.dir, id), s: state.StatusFile{Account: name, ID: id}}
			f.reread()
			w.files[name] = f
		}
	}
}

// ExpireBy sets the function that knows when OAuth tokens and logins expire.
func (w *StatusFiles) ExpireBy(of func(account string) (token, login time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expiry = of
}

// reread reads what other processes have written. It is called when no other
// process can be running, or when that does not matter.
func (f *statusFile) reread() {
	if s, err := state.ReadStatus(f.path); err == nil && s.ID == f.s.ID {
		s.Account = f.s.Account
		f.s = s
	}
}

func (f *statusFile) write() {
	if f.soon != nil {
		f.soon.Stop() // or it writes once more
		f.soon = nil
	}
	f.wrote = time.Now()
	f.s.Updated, f.s.PID = f.wrote, os.Getpid()
	_ = state.WriteStatus(f.path, f.s)
}

// Report implements fetch.Reporter.
func (w *StatusFiles) Report(e fetch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[e.Account]
	if f == nil || e.Stage == ledger.Waiting {
		return // another run may hold the maildrop: its status stays
	}
	if !f.ours && !f.take(e) {
		return
	}
	entered := f.s.Stage != e.Stage.String()
	f.follow(e)
	if e.Summary != nil && w.expiry != nil {
		f.s.TokenExpiry, f.s.LoginExpiry = w.expiry(e.Account)
	}
	switch {
	case e.Stage == ledger.Finished, time.Since(f.wrote) >= statusEvery:
		f.write()
	case entered && f.soon == nil:
		f.soon = time.AfterFunc(statusSoon, func() { w.flush(f) })
	}
}

func (w *StatusFiles) flush(f *statusFile) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.ours {
		f.write()
	}
}

// take begins a run's status. False: it is another run's.
func (f *statusFile) take(e fetch.Event) bool {
	f.reread()
	if e.Stage == ledger.Finished && (fetch.ExitOf(e.Summary.Err) == fetch.ExitTemp || f.s.Running()) {
		return false
	}
	f.ours = true
	f.s.NextRun, f.s.Started = time.Time{}, time.Now()
	f.wrote = f.s.Started
	if f.s.Since.IsZero() {
		f.s.Since = f.s.Started
	}
	return true
}

// Follow updates the status from an event.
func (f *statusFile) follow(e fetch.Event) {
	f.s.State, f.s.Stage = state.StateRunning, e.Stage.String()
	f.s.Listed, f.s.Total, f.s.Fetched = e.Listed, e.Total, e.Messages
	f.s.Bytes, f.s.BytesTotal = e.Bytes, e.TotalBytes
	sum := e.Summary
	if sum == nil {
		return
	}
	f.s.State, f.s.Stage, f.ours = state.StateIdle, "", false
	f.s.Listed = sum.Listed
	if sum.Known > 0 {
		f.s.Known = sum.Known
	}
	run := runOf(sum)
	if last := f.s.LastRun; last == nil || last.Started.Equal(sum.Earlier.After) { // else that run counted it here
		f.s.Totals.Fetched += int64(sum.Earlier.Fetched)
		f.s.Totals.Quarantined += int64(sum.Earlier.Quarantined)
		f.s.Totals.Bytes += sum.Earlier.Bytes
	}
	f.s.LastRun, f.s.Error = &run, run.Error
	addRun(&f.s.Totals, run, sum.Quarantined)
	if run.OK() {
		f.s.LastSuccess = sum.Started
	}
}

// Planned records when an account is due, unless another process is using its
// maildrop.
func (w *StatusFiles) Planned(account string, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[account]
	if f == nil || f.ours {
		return
	}
	if f.reread(); f.s.Running() || f.s.NextRun.Equal(next) {
		return
	}
	f.s.State = cmp.Or(f.s.State, state.StateIdle)
	f.s.NextRun = next
	f.write()
}

// alerted records that an alert was sent, or with the zero time that it is over.
func (w *StatusFiles) alerted(account string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.files[account]; f != nil {
		f.s.Alerted = at
		f.write()
	}
}

// Get returns an account's status as this process knows it.
func (w *StatusFiles) Get(account string) (state.StatusFile, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[account]
	if f == nil {
		return state.StatusFile{}, false
	}
	return f.s, true
}

// fresh returns an account's status as it is on disk.
func (w *StatusFiles) fresh(account string) (state.StatusFile, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[account]
	if f == nil {
		return state.StatusFile{}, false
	}
	if !f.ours {
		f.reread()
	}
	return f.s, true
}

// All returns what is known of all accounts, by name.
func (w *StatusFiles) All() []state.StatusFile {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]state.StatusFile, 0, len(w.files))
	for _, f := range w.files {
		s := f.s
		s.Totals.Runs = maps.Clone(s.Totals.Runs)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b state.StatusFile) int { return strings.Compare(a.Account, b.Account) })
	return list
}

func addRun(t *state.Totals, r state.Run, quarantined int) {
	if t.Runs == nil {
		t.Runs = make(map[int]int64)
	}
	t.Runs[r.Exit]++
	t.Fetched += int64(r.Fetched)
	t.Deleted += int64(r.Deleted)
	t.Failed += int64(r.Failed)
	t.Quarantined += int64(quarantined)
	t.Bytes += r.Bytes
	t.Seconds += r.Seconds
}

// runOf is a summary as the state keeps it.
func runOf(s *fetch.Summary) state.Run {
	r := state.Run{
		Started: s.Started,
		Seconds: s.Seconds,
		Listed:  s.Listed,
		Fetched: s.Fetched,
		Skipped: s.Skipped,
		Deleted: s.Deleted,
		Failed:  s.Failed,
		Bytes:   s.Bytes,
		Earlier: s.Earlier.Fetched,
		Exit:    int(fetch.ExitOf(s.Err)),
	}
	if s.Err != nil {
		r.Error = s.Err.Error()
	}
	return r
}
