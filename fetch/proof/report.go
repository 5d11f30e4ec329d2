package proof

import (
	"context"
	"sort"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// Report shows how far a migration is: what is delivered, what the server holds,
// and whether the maildrop can be closed.
type Report struct {
	Account, ID string
	At          time.Time
	Counts
	Dates
	// Sizes count messages by size; nil without a message.
	Sizes []SizeClass
	// Largest are the largest messages.
	Largest []Inspected
	// Failures are messages that failed and were not delivered since; InQuarantine are
	// the quarantined ones.
	Failures     []state.Failure
	InQuarantine []Inspected
	// Flawed are the copies that the last verify did not find as they were delivered.
	Flawed []Flawed
	// Server is what the server holds now; nil if it was not listed.
	Server *ServerSide
	// Reasons say why the account cannot be closed safely. It can if there are
	// none.
	Reasons []Remark
	// Notes are what a person should know even if it can be closed.
	Notes []Remark
}

// Counts count messages by what became of them.
type Counts struct {
	// Known is how many messages the state holds. Delivered are in every target,
	// and Verified of them were read back intact, or altered and accepted. Quarantined are quarantined, and
	// QuarantinedVerified of them were read back intact from there. Incomplete lack a
	// target. Elsewhere were marked as seen or imported: not delivered by us.
	Known, Delivered, Verified, Quarantined, QuarantinedVerified, Incomplete, Elsewhere int
	// Bytes is the size of what was delivered; Deleted is how many of these
	// messages were deleted from the server.
	Bytes   int64
	Deleted int
	// Unconfirmed deletions were asked for; the next listing shows whether they were
	// carried out.
	Unconfirmed int
	// Standings count the messages of Delivered.
	Standings [NotProvable + 1]int

	spoilt  int // of Quarantined, whose copy is not as it was
	failing int // of Incomplete, that are among Failures
	failed  int // messages of Failures
}

// Dates are those of the messages.
type Dates struct {
	// First and Last are the dates of the oldest and newest message.
	First, Last time.Time
	// Months are in order, without those that have no message.
	Months []Month
}

// ServerSide compares the maildrop with the state.
type ServerSide struct {
	// Listed is how many messages there are. Here are delivered or quarantined,
	// and verified; Unverified are not verified; New were never fetched. Unclear
	// have the unique-id of one that was to be deleted, and could not be compared
	// with it. Other are the rest (incomplete, or marked as seen). StillListed are
	// messages whose deletion the server confirmed.
	Listed      int   `json:"listed"`
	Here        int   `json:"here"`
	Unverified  int   `json:"unverified"`
	New         int   `json:"new"`
	Other       int   `json:"other"`
	Unclear     int   `json:"unclear"`
	StillListed int   `json:"still_listed"`
	Size        int64 `json:"size"`
	// Failing are those of New with a failure on record.
	Failing int `json:"failing,omitempty"`

	windowed  bool // the server lists only a part of the maildrop
	elsewhere int  // of Other, seen without being fetched here
}

// Month counts the messages of one month.
type Month struct {
	Month    string `json:"month"` // 2006-01
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// SizeClass counts the messages that are smaller than Below and not smaller than
// the Below of the class before.
type SizeClass struct {
	Below    int64 `json:"below,omitempty"` // octets; 0 in the last class: any size
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

// Safe reports whether everything on the server is here, read back and intact.
func (r *Report) Safe() bool { return len(r.Reasons) == 0 }

// largest is how many of the largest messages a report names.
const largest = 10

// Report makes the report of an account. With online set it lists the maildrop;
// without that list the account is not safe to close.
func (p *Prover) Report(ctx context.Context, a *fetch.Account, online bool) (*Report, error) {
	rep := &Report{Account: a.Name, ID: a.ID}
	err := p.hold(ctx, a, func(h *held) error {
		rep.At = h.Journal.Now()
		if online {
			look := func(s *session.Session, items []plan.Item) error { return h.serverSide(ctx, s, items, rep) }
			if err := h.Look(ctx, look); err != nil {
				return err
			}
		}
		months := make(map[string]*Month)
		err := h.inspect(ctx, func(in Inspected) error { rep.add(&in, h.Failures[in.Key], months); return nil })
		rep.finish(months, h.Failures)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !online {
		rep.Reasons = append(rep.Reasons, Remark{Text: "the server was not asked what it holds"})
	} else {
		rep.judgeServer()
	}
	rep.judge()
	return rep, nil
}

// add counts one entry.
func (rep *Report) add(in *Inspected, failures []state.Failure, months map[string]*Month) {
	if in.Former {
		return
	}
	rep.Known++
	if !in.Deleted.IsZero() {
		rep.Deleted++
	}
	if in.Asked {
		rep.Unconfirmed++
	}
	quarantined := false
	for _, c := range in.Copies {
		quarantined = quarantined || c.Status == state.Quarantined
	}
	switch {
	case in.Source != state.Fetched:
		rep.Elsewhere++
		return
	case !in.Done:
		rep.Incomplete++
		if len(failures) > 0 {
			rep.failing++
		}
	case quarantined:
		rep.Quarantined++
		rep.InQuarantine = append(rep.InQuarantine, *in)
		rep.Flawed = append(rep.Flawed, in.flawed()...)
		if !in.Verified.IsZero() {
			rep.QuarantinedVerified++
		} else if len(in.Flaws) > 0 {
			rep.spoilt++
		}
	default:
		rep.Delivered++
		if !in.Verified.IsZero() {
			rep.Verified++
		}
		rep.Standings[in.standing()]++
		rep.Flawed = append(rep.Flawed, in.flawed()...)
	}
	rep.Bytes += max(in.Size, 0)
	rep.classify(max(in.Size, 0))
	rep.date(in, months)
	rep.Largest = append(rep.Largest, *in)
	if len(rep.Largest) >= 10*largest {
		rep.trimLargest()
	}
}

func (rep *Report) classify(size int64) {
	if rep.Sizes == nil {
		rep.Sizes = []SizeClass{{Below: 10 << 10}, {Below: 100 << 10}, {Below: 1 << 20}, {Below: 10 << 20}, {}}
	}
	i := 0
	for ; rep.Sizes[i].Below > 0 && size >= rep.Sizes[i].Below; i++ {
	}
	rep.Sizes[i].Messages++
	rep.Sizes[i].Bytes += size
}

func (rep *Report) trimLargest() {
	sort.Slice(rep.Largest, func(i, j int) bool { return rep.Largest[i].Size > rep.Largest[j].Size })
	rep.Largest = rep.Largest[:min(len(rep.Largest), largest)]
}

func (rep *Report) date(in *Inspected, months map[string]*Month) {
	if in.Date.IsZero() {
		return
	}
	if rep.First.IsZero() || in.Date.Before(rep.First) {
		rep.First = in.Date
	}
	if in.Date.After(rep.Last) {
		rep.Last = in.Date
	}
	name := in.Date.UTC().Format("2006-01")
	m := months[name]
	if m == nil {
		m = &Month{Month: name}
		months[name] = m
	}
	m.Messages++
	m.Bytes += max(in.Size, 0)
}

func (rep *Report) finish(months map[string]*Month, failures map[state.Key][]state.Failure) {
	rep.trimLargest()
	for _, m := range months {
		rep.Months = append(rep.Months, *m)
	}
	sort.Slice(rep.Months, func(i, j int) bool { return rep.Months[i].Month < rep.Months[j].Month })
	rep.failed = len(failures)
	for _, fs := range failures {
		rep.Failures = append(rep.Failures, fs...)
	}
	sort.Slice(rep.Failures, func(i, j int) bool { return rep.Failures[i].Key < rep.Failures[j].Key })
}

// serverSide lists the maildrop, settles which deletions were carried out, and looks
// each message up.
func (h *held) serverSide(ctx context.Context, s *session.Session, items []plan.Item, rep *Report) error {
	if err := s.CompareListed(ctx, items); err != nil {
		return err
	}
	side := &ServerSide{Listed: len(items)}
	rep.Server = side
	if session.Gmail(s.Client) {
		rep.Notes = append(rep.Notes, Remark{"Gmail lists only what was not fetched by POP before, by its settings", ReadOn})
	}
	side.windowed = h.Facts.Window > 0 && side.Listed >= h.Facts.Window
	for i := range items {
		side.Size += max(items[i].Size, 0)
		e, ok := h.Drop.Book.Entry(items[i].Key)
		if ok && !e.Deleted.IsZero() && !mayBeOther(&e, s.Compared()) {
			side.StillListed++
		}
		switch {
		case !ok:
			side.New++
			if len(h.Failures[items[i].Key]) > 0 {
				side.Failing++
			}
		case mayBeOther(&e, s.Compared()):
			side.Unclear++
		case e.Source != state.Fetched:
			side.elsewhere++
			side.Other++
		case !e.Done:
			side.Other++
		case e.Verified.IsZero():
			side.Unverified++
		default:
			side.Here++
		}
	}
	return nil
}
