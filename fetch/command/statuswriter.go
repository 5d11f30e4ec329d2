package command

import (
	"os"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/state"
)

// statusEvery is how often a run under way refreshes its status file.
const statusEvery = time.Second

// statusWriter keeps one status file a maildrop, so that `status` can answer
// while a run holds the state. It is advice: errors are not reported.
type statusWriter struct {
	dir   string
	mu    sync.Mutex
	files map[string]*statusFile // by account name
}

type statusFile struct {
	path  string
	s     state.StatusFile
	ours  bool // this run holds the maildrop
	wrote time.Time
}

func newStatusWriter(dir string, list []*fetch.Account) *statusWriter {
	w := &statusWriter{dir: dir, files: make(map[string]*statusFile)}
	for _, a := range list {
		path := state.StatusPath(dir, a.ID)
		old, _ := state.ReadStatus(path)
		w.files[a.Name] = &statusFile{path: path, s: state.StatusFile{
			Account:     a.Name,
			ID:          a.ID,
			PID:         os.Getpid(),
			LastRun:     old.LastRun,
			LastSuccess: old.LastSuccess,
		}}
	}
	return w
}

// Report implements fetch.Reporter.
func (w *statusWriter) Report(e fetch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files[e.Account]
	if f == nil || e.Stage == fetch.Waiting {
		return // another run may hold the maildrop: its status stands
	}
	if e.Stage == fetch.Finished && !f.ours {
		return
	}
	f.ours = true
	// A new stage shows at once: the server may fall silent in it.
	entered := f.s.Stage != e.Stage.String()
	f.follow(e)
	if now := time.Now(); entered || now.Sub(f.wrote) >= statusEvery {
		f.wrote, f.s.Updated = now, now
		_ = state.WriteStatus(f.path, f.s)
	}
}

// follow takes over what an event says.
func (f *statusFile) follow(e fetch.Event) {
	f.s.State, f.s.Stage = state.StateRunning, e.Stage.String()
	f.s.Total, f.s.Fetched = e.Total, e.Messages
	f.s.Bytes, f.s.BytesTotal = e.Bytes, e.TotalBytes
	if f.s.Started.IsZero() {
		f.s.Started = time.Now()
	}
	sum := e.Summary
	if sum == nil {
		return
	}
	f.s.State, f.s.Stage = state.StateIdle, ""
	f.s.Listed = sum.Listed
	run := runOf(sum)
	f.s.LastRun, f.s.Error = &run, run.Error
	if run.OK() {
		f.s.LastSuccess = sum.Started
	}
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
		Exit:    int(fetch.ExitOf(s.Err)),
	}
	if s.Err != nil {
		r.Error = s.Err.Error()
	}
	return r
}
