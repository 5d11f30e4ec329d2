package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// Copies reads back what a target holds. One is opened for many messages and
// used by one goroutine.
type Copies interface {
	// Copy writes the message of a receipt to w, with LF line ends as it was
	// delivered, and says where it is. The error is fs.ErrNotExist if it is
	// not there any more. The sum helps to find a message that was moved.
	Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (where string, err error)
	Close() error
}

// Holder is implemented by Copies of a file that readers rewrite: a message is
// the same there although a reader has added a field of its own. Holds reports
// whether a message with this sum, as it was delivered, is there.
type Holder interface {
	Holds(ctx context.Context, receipt string, sum [sha256.Size]byte) (where string, held bool, err error)
}

// Finding is what verify found out about one copy of a message.
type Finding uint8

const (
	// Intact: the copy is what was delivered.
	Intact Finding = iota
	// Missing: it is not in the target any more.
	Missing
	// Altered: it is there and differs.
	Altered
	// Unreadable: it could not be read now.
	Unreadable
	// NoReadBack: the target (a relay, a command) cannot be read back.
	NoReadBack
	// NoSum: the message was not delivered by us, nothing is known of it.
	NoSum
	// StandIn: it was skipped as a duplicate of a message that differs from it.
	StandIn
)

var findingWords = [...]string{"intact", "missing", "altered", "unreadable", "cannot be read back", "not delivered here",
	"skipped for a message that differs"}

func (f Finding) String() string { return findingWords[f] }

// Check is the finding about one message in one target.
type Check struct {
	Key     state.Key
	Target  string
	Finding Finding
	Where   string
	Err     error
}

// VerifyReport counts the findings of one account.
type VerifyReport struct {
	// Messages is how many entries were looked at and Verified how many have
	// every readable copy intact, and at least one.
	Messages, Verified int
	// Counts are copies by finding.
	Counts [StandIn + 1]int
}

// OK reports whether no copy is missing, altered or unreadable.
func (v *VerifyReport) OK() bool {
	return v.Counts[Missing]+v.Counts[Altered]+v.Counts[Unreadable] == 0
}

// verifyBatch is how many verified entries are recorded in one transaction.
const verifyBatch = 1000

// Verify reads back what the account's targets hold, compares its SHA-256 with
// what was delivered, and records which messages are verified. Each copy that
// is not intact is told to tell.
func (f *Fetcher) Verify(ctx context.Context, a *Account, tell func(Check)) (rep VerifyReport, err error) {
	r := f.newRun(a)
	err = r.holding(ctx, func() error {
		entries, err := r.entries(func(e *state.Entry) bool { return e.Source == state.Fetched })
		if err != nil {
			return err
		}
		_, err = r.verify(ctx, entries, &rep, tell)
		return err
	})
	return rep, err
}

// entries returns the entries that fit, decoded.
func (r *run) entries(fits func(*state.Entry) bool) (out []state.Entry, err error) {
	err = r.db.View(func(v *state.View) error {
		for k, rec := range v.Records() {
			if e := v.Entry(k, rec); fits(&e) {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

// verify checks the entries, records the outcome and returns those verified.
func (r *run) verify(ctx context.Context, entries []state.Entry, rep *VerifyReport, tell func(Check)) ([]state.Entry, error) {
	readers := make(map[string]Copies)
	defer func() {
		for _, c := range readers {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	var good, changed []state.Entry
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := &entries[i]
		was := e.Verified
		ok := r.verifyEntry(ctx, readers, e, rep, tell)
		e.Verified = time.Time{}
		if ok {
			e.Verified = r.now()
			good = append(good, *e)
		}
		if ok || !was.IsZero() {
			changed = append(changed, *e)
		}
		if len(changed) == verifyBatch || i == len(entries)-1 {
			if err := r.db.Apply(&state.Change{Put: changed}); err != nil {
				return nil, stateWrite(r.db, err)
			}
			changed = changed[:0]
		}
	}
	return good, nil
}

// verifyEntry checks each copy of one message. It is verified if every copy
// that can be read back is intact, and one can.
func (r *run) verifyEntry(ctx context.Context, readers map[string]Copies, e *state.Entry, rep *VerifyReport, tell func(Check)) bool {
	rep.Messages++
	intact, bad := 0, false
	for _, o := range e.Outcomes {
		c := Check{Key: e.Key, Target: o.Target}
		c.Finding, c.Where, c.Err = r.checkCopy(ctx, readers, e, o)
		rep.Counts[c.Finding]++
		switch c.Finding {
		case Intact:
			intact++
		case NoReadBack, NoSum:
		case StandIn:
			bad = true // nothing is wrong with what is there, but it is not this one
		default:
			bad = true
			tell(c)
		}
	}
	if !bad && intact > 0 {
		rep.Verified++
		return true
	}
	return false
}

func (r *run) checkCopy(ctx context.Context, readers map[string]Copies, e *state.Entry, o state.Outcome) (Finding, string, error) {
	if e.SHA256 == ([sha256.Size]byte{}) {
		return NoSum, "", nil
	}
	copies, err := r.copies(ctx, readers, o)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, "", err
	case err != nil:
		return Unreadable, "", err
	case copies == nil:
		return NoReadBack, "", nil
	}
	if h, ok := copies.(Holder); ok {
		return held(ctx, h, o.Receipt, e.SHA256)
	}
	sum := sha256.New()
	where, err := copies.Copy(ctx, sum, o.Receipt, e.SHA256)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, where, nil
	case err != nil:
		return Unreadable, where, err
	case [sha256.Size]byte(sum.Sum(nil)) == e.SHA256:
		return Intact, where, nil
	case o.Status == state.Skipped:
		return StandIn, where, nil
	}
	return Altered, where, nil
}

func held(ctx context.Context, h Holder, receipt string, sum [sha256.Size]byte) (Finding, string, error) {
	where, ok, err := h.Holds(ctx, receipt, sum)
	switch {
	case err != nil:
		return Unreadable, where, err
	case !ok:
		return Missing, where, nil
	}
	return Intact, where, nil
}

// copies returns the reader of an outcome's target, nil if there is none.
func (r *run) copies(ctx context.Context, readers map[string]Copies, o state.Outcome) (Copies, error) {
	id := o.Target
	if o.Status == state.SetAside && r.a.SetAside != nil {
		id = r.a.SetAside.ID
	}
	if c, known := readers[id]; known {
		return c, nil
	}
	open := r.f.ReadBack
	if open == nil {
		return nil, nil
	}
	c, err := open(ctx, r.a, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	readers[id] = c
	return c, nil
}
