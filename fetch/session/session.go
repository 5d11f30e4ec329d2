package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Maildrop is what the sessions of one run have in common.
type Maildrop struct {
	Dialer *Dialer
	Book   *Book
	Side   *commit.Side
	// Exactly is a saved plan: a session does just that, or nothing.
	Exactly *plan.SavedPlan
	Tally   Tally

	suspects *suspects
	meter    *meter
	toldNew  bool // what new targets lack
	agreedOn bool // the saved plan was compared with what there is to do
}

// Tally are the figures of a run that only its sessions know.
type Tally struct {
	// Skipped were neither seen nor retrieved, Skips count them by reason.
	Skipped int
	Skips   map[plan.Reason]int
	// Deleted were confirmed by QUIT; Before are those of them that an earlier
	// run asked for; Unconfirmed were asked for, and no QUIT confirmed it.
	Deleted, Before, Unconfirmed int
}

// New joins what the sessions of a run need. Zero octets a second: no limit.
func New(d *Dialer, b *Book, s *commit.Side, octetsPerSecond int64) *Maildrop {
	return &Maildrop{Dialer: d, Book: b, Side: s, meter: newMeter(s.Journal, octetsPerSecond),
		suspects: &suspects{dialer: d, ledger: s.Ledger, broke: make(map[state.Key]int), near: make(map[state.Key]bool)}}
}

// Session is one POP3 session: list, plan, retrieve, delete, quit.
type Session struct {
	Client *pop3.Client
	// List is the listing in which each message has a unique-id.
	List []pop3.Message

	m        *Maildrop
	names    *identity
	retrieve *retriever
	unsized  bool // the listing has no sizes: see diffSized
}

// Result is what one session showed and did.
type Result struct {
	// Change is to be recorded, however the session ended.
	Change state.Change
	// List is the listing of a session that ended well.
	List []pop3.Message
	// Planned: it came as far as a plan.
	Planned bool
	// Sure: there is more to see.
	Sure bool
	// Pause: it listed what is about to go, and did nothing; look again then.
	Pause time.Duration
	// Again: another session has what this one lacked.
	Again bool
	// Compared are the reappeared messages: true for another message than the
	// one that is on record.
	Compared map[state.Key]bool

	listed, retrieved, deleted int
	later                      int  // suspects that it left to another
	brought, left              bool // it brought messages; it leaves something to do
	gmail, reused, late        bool // late: its messages have no unique-ids
}

// Open begins a session with a listing in which each message has a unique-id.
// Leave must be called.
func (m *Maildrop) Open(ctx context.Context) (*Session, error) {
	s, err := m.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Name(ctx); err != nil {
		s.Leave()
		return nil, err
	}
	return s, nil
}

// Connect begins a session with the server's listing. Name and Leave must be
// called.
func (m *Maildrop) Connect(ctx context.Context) (*Session, error) {
	s := &Session{m: m, names: &identity{dialer: m.Dialer, book: m.Book, meter: m.meter}}
	c, list, err := m.Dialer.connect(ctx, s.list)
	if err != nil {
		return nil, err
	}
	s.Client, s.names.client, s.List = c, c, list
	s.retrieve = &retriever{client: c, names: s.names, side: m.Side, suspects: m.suspects}
	return s, nil
}

// Name makes sure that each message of the listing has a unique-id. Those that
// cannot have one are left out.
func (s *Session) Name(ctx context.Context) (err error) {
	s.List, err = s.names.name(ctx, s.List)
	return err
}

// Leave ends the connection without QUIT, if it still is open.
func (s *Session) Leave() { s.m.Dialer.leave(s.Client) }

// Run runs one session. If it lists what this run has deleted, it does nothing
// and asks for a pause.
func (m *Maildrop) Run(ctx context.Context, done *Confirmed) (res Result, err error) {
	m.Side.Ledger.NewSession()
	m.suspects.asked, m.suspects.again = 0, false
	s, err := m.Open(ctx)
	if err != nil {
		return res, err
	}
	defer s.Leave()
	defer func() {
		res.Compared, res.late, res.Again = s.names.compared, s.names.prints.late, m.suspects.again
	}()
	p, err := s.diffSized(ctx)
	if err != nil {
		return res, err
	}
	if still := done.skipped(p.Skip); still > 0 {
		if pause, ok := m.LookAgain(done, still); ok {
			return Result{Pause: pause}, s.Client.Quit(ctx)
		}
	}
	asked := p.Asked
	if err := s.names.matchReused(ctx, s.List, &p); err != nil {
		return res, err
	}
	res = Result{listed: p.Listed, gmail: Gmail(s.Client), List: s.List, reused: s.names.reusedUIDs()}
	if err := s.names.matchReset(ctx, s.List, &p, done); err != nil {
		return res, err
	}
	if err := m.agreed(&p); err != nil {
		return res, err
	}
	m.planned(&p)
	res.Planned = true
	res.Change = state.Change{Gone: p.Gone, Back: p.Back, Forget: p.Expire, GoneAt: m.Side.Journal.Now(), Unfail: p.Unfail}
	m.Dialer.Facts.LastPoll = m.Side.Journal.Now()
	err = s.work(ctx, &p, asked, done, &res)
	return res, err
}

// work carries the plan out.
func (s *Session) work(ctx context.Context, p *plan.Plan, asked []state.Key, done *Confirmed, res *Result) error {
	res.retrieved = len(p.Retrieve)
	err := s.retrievePlanned(ctx, p, res)
	if err == nil {
		err = s.proveDeletions(ctx, p, res)
	}
	limit := OpenLimit(err)
	if err != nil && limit == nil {
		return err
	}
	if limit != nil {
		sure := plan.NeverReused(s.List) && !p.Repeated
		p.Delete = slices.DeleteFunc(p.Delete, func(it plan.Item) bool { return s.m.Book.mustCompare(it.Key, sure) })
	}
	res.reused = res.reused || s.names.reusedUIDs()
	gone := s.answered(asked, p.Vanished, res.gmail)
	res.Change.Deleted, res.Change.DeletedAt = gone, s.m.Side.Journal.Now()
	res.Change.Put = append(res.Change.Put, s.names.listedAgain(p, done)...)
	var listing []pop3.Message
	if p.Repeated && !s.names.prints.late {
		listing = s.List
	}
	deleted, qerr := s.DeleteAndQuit(ctx, p.Delete, listing)
	res.Change.Deleted = append(res.Change.Deleted, deleted.Confirmed...)
	res.Change.Asked, res.deleted = deleted.Asked, len(deleted.Confirmed)
	if qerr != nil || limit != nil {
		return ledger.Join(qerr, limit)
	}
	if s.m.Exactly != nil || !s.m.Book.digestible(s.names.prints.late) {
		return nil // a saved plan leaves out what is not in it
	}
	return s.m.Book.keepDigest(s.List, p)
}

// retrievePlanned takes the planned messages, suspects last.
func (s *Session) retrievePlanned(ctx context.Context, p *plan.Plan, res *Result) error {
	var portions []portion
	portions, res.later = s.m.suspects.portions(p.Retrieve, len(p.Delete) > 0)
	l := s.m.Side.Ledger
	before := l.Counts()
	defer func() {
		now := l.Counts()
		got := now.Fetched + now.Quarantined - before.Fetched - before.Quarantined
		res.brought = got > 0
		res.left = res.retrieved-got > 1 || len(p.Delete)+l.Pending() > 0
	}()
	return s.retrieve.all(ctx, portions...)
}

// agreed holds a plan to the saved one, if there is one. The first session of a
// run must find just that to do; a later one does what is left of it.
func (m *Maildrop) agreed(p *plan.Plan) error {
	switch {
	case m.Exactly == nil:
		return nil
	case m.agreedOn:
		p.Within(m.Exactly)
		return nil
	}
	m.agreedOn = true
	return p.Exactly(m.Exactly)
}

// noteNew says once what new targets lack.
func (m *Maildrop) noteNew(p *plan.Plan) {
	if p.Known == 0 || len(p.New) == 0 || m.toldNew {
		return
	}
	m.toldNew = true
	m.Side.Journal.Note(fmt.Sprintf("%s on the server %s not in %s, which was no target when they came",
		ledger.Counted(p.Known, "seen message"), ledger.IsAre(p.Known), strings.Join(p.New, ", ")))
}

// planned counts what a plan is about.
func (m *Maildrop) planned(p *plan.Plan) {
	j := m.Side.Journal
	m.noteNew(p)
	j.Log.Info("planned", "retrieve", len(p.Retrieve), "bytes", p.Bytes, "delete", len(p.Delete), "skip", len(p.Skip), "seen", p.Known)
	j.Planned(p.Listed, len(p.Retrieve), p.Bytes)
	m.Tally.Skipped, m.Tally.Skips = len(p.Skip), make(map[plan.Reason]int)
	for i := range p.Skip {
		m.Tally.Skips[p.Skip[i].Why]++
	}
}

// Rows are the listed messages with the keys that they are known by.
func (s *Session) Rows() ([]plan.Item, error) {
	if s.names.prints.late {
		return nil, &NoIdentityError{Listed: len(s.List), Seen: true}
	}
	return plan.Items(s.List), nil
}

// Diff compares the listing with what is on record.
func (s *Session) Diff() (plan.Plan, error) { return s.names.diff(s.List) }

// Plan compares the listing with what is on record, and changes nothing there:
// what is listed under a unique-id of before is compared by its header.
func (s *Session) Plan(ctx context.Context) (plan.Plan, error) {
	p, err := s.names.diff(s.List)
	if err != nil || s.m.Book.DB == nil {
		return p, err
	}
	if _, err := s.names.compareReused(ctx, p.Reappeared(), plan.NeverReused(s.List)); err != nil {
		return p, err
	}
	if len(s.names.compared) > 0 {
		if p, err = s.names.diff(s.List); err != nil {
			return p, err
		}
	}
	found, err := s.names.recognise(ctx, &p, false)
	p.Recognised(found)
	s.m.noteNew(&p)
	return p, err
}

// Headers asks for the header of each item (TOP n 0) and calls fn with what it
// gets, in order; h is nil where the server would not show it.
func (s *Session) Headers(ctx context.Context, items []plan.Item, fn func(i int, h header.Header)) error {
	return headers(ctx, s.Client, plan.Messages(items), s.names.hasTop(), fn)
}
