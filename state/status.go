package state

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// The values of StatusFile.State.
const (
	StateIdle    = "idle"
	StateRunning = "running"
)

// StatusFile is what `status` shows of a maildrop while a run holds its
// database: that is why it is a file next to it (see StatusPath). It is advice;
// what must not be lost is in the database.
type StatusFile struct {
	Account string `json:"account"`
	ID      string `json:"id"`
	PID     int    `json:"pid"`
	State   string `json:"state"`
	// Started is when the run began, Updated when this was written.
	Started time.Time `json:"started,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
	// Stage is the step under way: connect, login, list, retrieve, ...
	Stage string `json:"stage,omitempty"`
	// Listed is what the server holds, Total what is to be retrieved, Fetched
	// what is delivered already; the bytes likewise.
	Listed      int       `json:"listed"`
	Total       int       `json:"total"`
	Fetched     int       `json:"fetched"`
	Bytes       int64     `json:"bytes"`
	BytesTotal  int64     `json:"bytes_total"`
	LastRun     *Run      `json:"last_run,omitempty"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	NextRun     time.Time `json:"next_run,omitzero"`
	Error       string    `json:"error,omitempty"`
	// Since is when the first run wrote a status, Alerted when an alert was sent
	// that there is no success; zero: they were not, or it is over.
	Since   time.Time `json:"since,omitzero"`
	Alerted time.Time `json:"alerted,omitzero"`
	// Known is how many entries the state had after the last run.
	Known int `json:"known"`
	// TokenExpiry is when the OAuth access token ends, which is then renewed,
	// and LoginExpiry when a person must log in again; zero: not known.
	TokenExpiry time.Time `json:"token_expiry,omitzero"`
	LoginExpiry time.Time `json:"login_expiry,omitzero"`
	Totals      Totals    `json:"totals,omitzero"`
}

// Totals add up all runs since the status file was first written.
type Totals struct {
	// Runs counts by exit code.
	Runs        map[int]int64 `json:"runs,omitempty"`
	Fetched     int64         `json:"fetched"`
	Deleted     int64         `json:"deleted"`
	Failed      int64         `json:"failed"`
	Quarantined int64         `json:"set_aside"`
	Bytes       int64         `json:"bytes"`
	Seconds     float64       `json:"seconds"`
}

// Failing returns since when there is no success; the zero time if the last
// run was one, or there was none at all.
func (s StatusFile) Failing() time.Time {
	if s.LastRun == nil || s.LastRun.OK() {
		return time.Time{}
	}
	if s.LastSuccess.IsZero() {
		return s.Since
	}
	return s.LastSuccess
}

// Running reports whether the run that wrote this is still under way: a
// process that was killed leaves "running" behind.
func (s StatusFile) Running() bool { return s.State == StateRunning && Alive(s.PID) }

// Alive reports whether a process with this id exists. It may be another
// program by now; only the database's lock is certain.
func Alive(pid int) bool { return pid > 0 && alive(pid) }

// WriteStatus replaces the status file at path; readers see the old or the new
// one. It is not synced: after a power cut no run is under way, and the file
// is worth nothing.
func WriteStatus(path string, s StatusFile) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.Swap(path, 0o600, append(text, '\n'))
}

// ReadStatus reads a status file. The error wraps fs.ErrNotExist if there is
// none.
func ReadStatus(path string) (StatusFile, error) {
	var s StatusFile
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return StatusFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
