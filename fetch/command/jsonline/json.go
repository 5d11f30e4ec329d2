// Package jsonline has the shape of everything that mailhaul prints as JSON, one
// object a line. Fields are only ever added; the manual has each. Within an
// object they keep their order.
package jsonline

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/sources"
	"github.com/mailhaul/mailhaul/state"
)

// List is a list that is printed as [] if it is empty, and never as null.
type List[T any] []T

// MarshalJSON implements json.Marshaler.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Error is the error that ended a command, or its work on one account.
type Error struct {
	Account string `json:"account,omitempty"`
	Error   string `json:"error"`
	Hint    string `json:"hint,omitempty"`
	Mail    string `json:"mail,omitempty"`
	Exit    int    `json:"exit"`
}

// Summary is one finished account on stdout of `fetch --json`.
type Summary struct {
	Account     string   `json:"account"`
	Started     string   `json:"started"`
	Seconds     float64  `json:"seconds"`
	Listed      int      `json:"listed"`
	Fetched     int      `json:"fetched"`
	Skipped     int      `json:"skipped"`
	Deleted     int      `json:"deleted"`
	Failed      int      `json:"failed"`
	Bytes       int64    `json:"bytes"`
	Error       string   `json:"error"`
	Exit        int      `json:"exit"`
	Quarantined int      `json:"set_aside"`
	Recovered   int      `json:"recovered,omitempty"`
	Earlier     int      `json:"earlier,omitempty"`
	Hint        string   `json:"hint,omitempty"`
	Mail        string   `json:"mail,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// Plan is one line of `plan --json`: a message, or the sum at the end.
type Plan struct {
	Account string     `json:"account"`
	Action  string     `json:"action"` // fetch, delete, skip, sum
	Num     int        `json:"num,omitempty"`
	UID     string     `json:"uid,omitempty"`
	Size    int64      `json:"size"`
	Why     string     `json:"why,omitempty"`
	Delete  bool       `json:"delete,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Listed  *int       `json:"listed,omitempty"`
	Known   *int       `json:"known,omitempty"`
	Fetch   *int       `json:"fetch,omitempty"`
	Deletes *int       `json:"deletes,omitempty"`
	Skip    *int       `json:"skip,omitempty"`
	Bytes   *int64     `json:"bytes,omitempty"`
	// Interrupted are those of Fetch that an interrupted run had retrieved.
	Interrupted int `json:"interrupted,omitempty"`
}

// PlanFile is the file of `plan --save`.
type PlanFile struct {
	Version int                  `json:"version"`
	Saved   time.Time            `json:"saved"`
	Plans   List[plan.SavedPlan] `json:"plans"`
}

// Status is one account on stdout of `status --json`.
type Status struct {
	state.StatusFile
	Running bool   `json:"running"`
	Token   *Token `json:"token,omitempty"`
	// Logins are those of the targets that are not Token.
	Logins      []*Token `json:"logins,omitempty"`
	Known       int      `json:"known"` // entries in the state; -1 while a run holds it
	Quarantined int      `json:"set_aside"`
	Failing     int      `json:"failing"` // messages that failed and wait for another try
	// Interrupted are deliveries of a run that was killed, which the next one completes.
	Interrupted int      `json:"interrupted,omitempty"`
	Waiting     *Waiting `json:"waiting,omitempty"`
	// Overdue: no success for alert.after. NoSuccessSince is set as soon as a
	// run fails.
	Overdue        bool      `json:"overdue"`
	NoSuccessSince time.Time `json:"no_success_since,omitzero"`
	// ClockJumped is when a run found that the clock had jumped since the one
	// before, ClockFrom what it showed then.
	ClockJumped time.Time `json:"clock_jumped,omitzero"`
	ClockFrom   time.Time `json:"clock_from,omitzero"`
}

// Source is a source of accounts on stdout of `status --json`.
type Source struct{ sources.Status }

// Waiting sums up the messages that a target refused for now.
type Waiting struct {
	Messages int       `json:"messages"`
	Since    time.Time `json:"since"`         // the longest
	Next     time.Time `json:"next,omitzero"` // the first to be tried again; past: with the next run
	Err      string    `json:"error"`         // of the one that waits longest
}

// Token is the state of a login's tokens in `status --json`. Login is what people call
// it: NAME under logins, ACCOUNT, or ACCOUNT/KIND of a target.
type Token struct {
	Account    string     `json:"account,omitempty"`
	Login      string     `json:"login"`
	Provider   string     `json:"provider"`
	Flow       string     `json:"flow"`
	LoggedIn   *time.Time `json:"logged_in,omitempty"`
	Refreshed  *time.Time `json:"refreshed,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	LoginUntil *time.Time `json:"login_until,omitempty"`
	Scopes     []string   `json:"scopes,omitempty"`
	NeedsLogin bool       `json:"needs_login"`
	Reason     string     `json:"reason,omitempty"`
	Warning    string     `json:"warning,omitempty"`
}

// State is an account's state on stdout of `state show --json`.
type State struct {
	Account      string          `json:"account"`
	ID           string          `json:"id"`
	Entries      int             `json:"entries"`
	LastListing  time.Time       `json:"last_listing,omitzero"`
	LastLogin    time.Time       `json:"last_login,omitzero"`
	Auth         string          `json:"auth,omitempty"`
	Unlisted     int             `json:"unlisted"`
	NoPipelining time.Time       `json:"no_pipelining_until,omitzero"`
	NoCapa       time.Time       `json:"no_capa_until,omitzero"`
	NoUTF8       time.Time       `json:"no_utf8_until,omitzero"`
	NoBinding    time.Time       `json:"no_binding_until,omitzero"`
	SmallHello   time.Time       `json:"small_hello_until,omitzero"`
	Failures     List[Failure]   `json:"failures"`
	Targets      List[string]    `json:"targets"`
	Runs         List[state.Run] `json:"runs"`
}

// Failure is one message that failed and is tried again.
type Failure struct {
	UID string `json:"uid"`
	Nth int    `json:"nth,omitempty"`
	state.Failure
}

// Step is one line of `check --connect --json`.
type Step struct {
	Account string `json:"account"`
	Step    string `json:"step"`
	Mark    Mark   `json:"mark"`
	Detail  string `json:"detail,omitempty"`
	Advice  string `json:"advice,omitempty"`
	Millis  int64  `json:"ms"`
}

// Finding is one copy that is not intact, on stdout of `verify --json`.
type Finding struct {
	Account string `json:"account"`
	UID     string `json:"uid"`
	Nth     int    `json:"nth,omitempty"`
	Target  string `json:"target"`
	Finding string `json:"finding"`
	Where   string `json:"where,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Purge is the result of `purge --json`.
type Purge struct {
	Account     string `json:"account"`
	Listed      int    `json:"listed"`
	Eligible    int    `json:"eligible"`
	Verified    int    `json:"verified"`
	Deleted     int    `json:"deleted"`
	Proven      bool   `json:"proven"`
	StillListed int    `json:"still_listed"`
	Remaining   int    `json:"remaining"`
	DryRun      bool   `json:"dry_run"`
	Unconfirmed int    `json:"unconfirmed"`
	Error       string `json:"error"`
	Mail        string `json:"mail,omitempty"`
}

// Report is the report on stdout of `report --json`.
type Report struct {
	Account     string                `json:"account"`
	ID          string                `json:"id"`
	At          time.Time             `json:"at"`
	Known       int                   `json:"known"`
	Delivered   int                   `json:"delivered"`
	Verified    int                   `json:"verified"`
	Quarantined int                   `json:"set_aside"`
	Incomplete  int                   `json:"incomplete"`
	Elsewhere   int                   `json:"elsewhere"`
	Deleted     int                   `json:"deleted"`
	Bytes       int64                 `json:"bytes"`
	Months      List[proof.Month]     `json:"months"`
	Sizes       List[proof.SizeClass] `json:"sizes"`
	Failed      int                   `json:"failed"`
	// Accepted are those of verified with an altered copy that a person accepted. Delivered
	// is the sum of verified and of missing to unverified.
	Accepted    int               `json:"accepted"`
	Missing     int               `json:"missing"`
	Altered     int               `json:"altered"`
	Unreadable  int               `json:"unreadable"`
	Replaced    int               `json:"replaced"`
	NoReadBack  int               `json:"no_read_back"`
	Unverified  int               `json:"unverified"`
	Unconfirmed int               `json:"unconfirmed"` // deletions
	NotIntact   List[Finding]     `json:"not_intact"`
	Server      *proof.ServerSide `json:"server,omitempty"`
	Safe        bool              `json:"safe"`
	Reasons     List[string]      `json:"reasons"`
	Notes       List[string]      `json:"notes"`
	NotMoved    List[string]      `json:"not_moved"`
}

// Init is the result of `init --json`.
type Init struct {
	Account string       `json:"account"`
	Config  string       `json:"config"`
	Server  string       `json:"server"`
	TLS     string       `json:"tls"`
	User    string       `json:"user"`
	Source  string       `json:"source"`
	Deliver List[string] `json:"deliver"`
}

// Notice is one message to people: by a command, a webhook or a ping.
type Notice struct {
	Event       string    `json:"event"` // no_success, recovered
	Account     string    `json:"account"`
	Text        string    `json:"text"` // one line; chat services show it
	Since       time.Time `json:"since,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastRun     time.Time `json:"last_run,omitzero"`
	Exit        int       `json:"exit"`
	Error       string    `json:"error,omitempty"`
}

// Mark is how a step of check --connect ended.
type Mark string

// The values of Mark.
const (
	OK   Mark = "ok"
	Warn Mark = "warn"
	Fail Mark = "fail"
)

// The values of Notice.Event.
const (
	NoSuccess = "no_success"
	Recovered = "recovered"
)

// Checked is an account whose configuration is fine.
type Checked struct {
	Account string       `json:"account"`
	Deliver List[string] `json:"deliver"`
	Logins  []*Token     `json:"logins,omitempty"` // those of targets, other than Token
	OK      bool         `json:"ok"`
	Server  string       `json:"server"`
	TLS     string       `json:"tls"`
	Token   *Token       `json:"token,omitempty"`
	User    string       `json:"user"`
}

// TakenOver says how much of a seen-list was taken over.
type TakenOver struct {
	Account   string `json:"account"`
	TakenOver int    `json:"taken_over"`
}

// Match compares a seen-list with the server.
type Match struct {
	Account string       `json:"account"`
	Causes  List[string] `json:"causes"`
	Known   int          `json:"known"`
	Listed  int          `json:"listed"`
	OK      bool         `json:"ok"`
	Unknown int          `json:"unknown"`
}

// Logout is the end of a login.
type Logout struct {
	Account      string `json:"account"`
	ProviderTold bool   `json:"provider_told"`
	WasLoggedIn  bool   `json:"was_logged_in"`
}

// Access is a token for other programs.
type Access struct {
	AccessToken string    `json:"access_token"`
	Account     string    `json:"account"`
	ValidUntil  time.Time `json:"valid_until"`
}

// Open is the page that a person has to open to log in.
type Open struct {
	Opened bool   `json:"opened"`
	URL    string `json:"url"`
}

// Device is a page to open on any device, with the code to enter there.
type Device struct {
	Code     string    `json:"code"`
	Complete string    `json:"complete"`
	Expires  time.Time `json:"expires"`
	URL      string    `json:"url"`
}

// Chain is a manifest whose chain holds.
type Chain struct {
	Messages int    `json:"messages"`
	SHA256   string `json:"sha256"`
}

// Forgotten counts the entries that `state forget` removed.
type Forgotten struct {
	Account   string `json:"account"`
	Forgotten int    `json:"forgotten"`
}

// Marked counts the messages that `state mark-seen` recorded.
type Marked struct {
	Account string `json:"account"`
	Listed  int    `json:"listed"`
	Marked  int    `json:"marked"`
}

// Imported counts the entries that `state import` added.
type Imported struct {
	Account  string `json:"account"`
	Imported int    `json:"imported"`
}

// Verified counts the copies that verify read back.
type Verified struct {
	Account    string `json:"account"`
	Altered    int    `json:"altered"`
	Messages   int    `json:"messages"`
	Missing    int    `json:"missing"`
	NoReadBack int    `json:"no_read_back"`
	NotChecked int    `json:"not_checked"`
	Unreadable int    `json:"unreadable"`
	Verified   int    `json:"verified"`
	Accepted   int    `json:"accepted"`
}

// Compared counts the messages that `verify --server` compared.
type Compared struct {
	Account string `json:"account"`
	Differs int    `json:"differs"`
	Listed  int    `json:"listed"`
	Refused int    `json:"refused"`
	Marked  int    `json:"marked,omitempty"`
	Same    int    `json:"same"`
	Unknown int    `json:"unknown"`
}

// Version is the program's.
type Version struct {
	Arch    string `json:"arch"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Version string `json:"version"`
}

// Write writes v as one line of JSON that a terminal can show.
func Write(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return err
	}
	_, err := w.Write(state.EscapeJSON(b.Bytes()))
	return err
}
