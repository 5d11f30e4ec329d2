package ledger

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Stage is where an account's run is.
type Stage uint8

// The stages in their order.
const (
	Waiting Stage = iota
	Recovering
	Connecting
	Listing
	Retrieving
	Deleting
	Ending // the account's After
	Finished
)

var stageWords = [...]string{"waiting", "recovering", "connecting", "listing", "retrieving", "deleting", "ending", "finished"}

func (s Stage) String() string { return stageWords[s] }

// Progress is how far a run is.
type Progress struct {
	Stage Stage
	// Listed is what the server holds, once that is known.
	Listed int
	// Total and TotalBytes are what is to be retrieved, once that is known;
	// sizes are the server's estimates.
	Total      int
	TotalBytes int64
	// Messages and Bytes are what was retrieved so far.
	Messages int
	Bytes    int64
}

// reportEvery is the least time between two reports of received octets.
const reportEvery = 100 * time.Millisecond

// Journal is what a run tells people while it goes on: the log, the notes of
// its summary and its progress. Both sides of the run write it.
type Journal struct {
	Log     *slog.Logger
	now     func() time.Time
	started time.Time
	report  func(Progress)

	mu       sync.Mutex // guards what follows
	notes    []string
	progress Progress
	reported time.Time
}

// NewJournal makes the journal of one run. Now is the clock of what is
// recorded; report gets each stage, and now and then the octets.
func NewJournal(log *slog.Logger, now func() time.Time, report func(Progress)) *Journal {
	return &Journal{Log: log, now: now, started: now(), report: report}
}

// Now is the run's clock.
func (j *Journal) Now() time.Time { return j.now() }

// Started is when the run began.
func (j *Journal) Started() time.Time { return j.started }

// Note keeps a fact for the summary, once.
func (j *Journal) Note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.notes, text) {
		j.notes = append(j.notes, text)
	}
}

// Notes are the facts in the order in which they came.
func (j *Journal) Notes() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.notes)
}

// Progress is how far the run is.
func (j *Journal) Progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progress
}

// Enter reports that a stage begins.
func (j *Journal) Enter(s Stage) {
	j.mu.Lock()
	j.progress.Stage = s
	p := j.progress
	j.mu.Unlock()
	j.report(p)
}

// Received counts n octets from the network.
func (j *Journal) Received(n int) {
	j.mu.Lock()
	j.progress.Bytes += int64(n)
	now := time.Now()
	due := now.Sub(j.reported) >= reportEvery
	if due {
		j.reported = now
	}
	p := j.progress
	j.mu.Unlock()
	if due {
		j.report(p)
	}
}

// Planned says what a session lists, and what it is going to retrieve.
func (j *Journal) Planned(listed, messages int, octets int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Listed = max(j.progress.Listed, listed) // of several sessions, the largest
	j.progress.Total = j.progress.Messages + messages
	j.progress.TotalBytes = j.progress.Bytes + octets
}

// Expect adds a message of this size to what is going to be retrieved.
func (j *Journal) Expect(octets int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Total++
	j.progress.TotalBytes += octets
}

// settled counts a message that needs nothing more.
func (j *Journal) settled() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Messages++
}
