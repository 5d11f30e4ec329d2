package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
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

// Distant is implemented by Copies that each call costs a round trip: Sums and Heads read
// many messages in few. They call found for each message that is found so, i being the index
// of its receipt: with the SHA-256 of what Copy would write, or with the header alone. The
// others, for whatever reason, are left to Copy. The sums of want are what was delivered.
type Distant interface {
	Sums(ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, sum [sha256.Size]byte, where string))
	Heads(ctx context.Context, receipts []string, want [][sha256.Size]byte, found func(i int, head []byte, where string))
}

// Holder is implemented by Copies of a file that readers rewrite: a message is
// the same there although a reader has added a field of its own. Holds reports
// whether a message with this sum, as it was delivered, is there.
type Holder interface {
	Holds(ctx context.Context, receipt string, sum [sha256.Size]byte) (where string, held bool, err error)
}

// Finding is what Verify found about one copy of a message.
type Finding uint8

const (
	// Intact: the copy is what was delivered.
	Intact Finding = iota
	// Missing: it is not in the target any more.
	Missing
	// Altered: it is there and differs.
	Altered
	// Unreadable: it cannot be read at present.
	Unreadable
	// NoReadBack: the target (a relay, a command) cannot be read back.
	NoReadBack
	// NoSum: mailhaul did not deliver the message and knows nothing of it.
	NoSum
	// StandIn: it was skipped as a duplicate of a message that differs from it.
	StandIn
	// TargetGone: the target itself is not there. What it holds is not known.
	TargetGone
	// Accepted: it is there and differs, and a person accepted it as it is.
	Accepted
)

var findingWords = [...]string{"intact", "missing", "altered", "unreadable", "cannot be read back", "not delivered here",
	"skipped for a message that differs", "not checked", "altered, and accepted"}

// flawKinds are the findings that the state keeps.
var flawKinds = map[Finding]state.FlawKind{
	Missing: state.Missing, Altered: state.Altered, Unreadable: state.Unreadable, StandIn: state.Replaced, Accepted: state.Accepted,
}

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
	// Messages is how many entries were checked. Verified is how many of them
	// have a copy that can be read back, and all such copies intact, or altered and
	// accepted. Accepted is how many of Verified have one that is altered.
	Messages, Verified, Accepted int
	// Counts are copies by finding.
	Counts [Accepted + 1]int
	// Gone is the number of copies in each target that is not there, for example
	// because its volume is not mounted.
	Gone map[string]int
	// Away is why a target, which is a server, could not be looked at.
	Away error
}

// OK reports whether no copy is missing, altered or unreadable, and every target
// is there.
func (v *VerifyReport) OK() bool {
	return v.Counts[Missing]+v.Counts[Altered]+v.Counts[Unreadable]+v.Counts[TargetGone] == 0
}

// verifyBatch is how many verified entries are recorded in one transaction.
const verifyBatch = 1000

// Verify reads back what the account's targets hold, compares its SHA-256 with
// what was delivered, and records which messages are verified. It calls report
// for each copy that is not intact.
func (p *Prover) Verify(ctx context.Context, a *fetch.Account, report func(Check)) (rep VerifyReport, err error) {
	err = p.hold(ctx, a, func(h *held) error {
		h.accept = p.AcceptAltered
		entries, err := h.entries(func(e *state.Entry) bool { return e.Source == state.Fetched })
		if err != nil {
			return err
		}
		_, err = h.verify(ctx, entries, &rep, report)
		return err
	})
	return rep, err
}

// verify checks the entries, records the outcome and returns those verified.
func (h *held) verify(ctx context.Context, entries []state.Entry, rep *VerifyReport, report func(Check)) ([]state.Entry, error) {
	var former map[state.Key]bool
	var flaws map[state.Key][]state.Flaw
	err := h.DB.View(func(v *state.View) error {
		former, flaws = formerKeys(v), v.Flaws()
		return nil
	})
	if err != nil {
		return nil, err
	}
	var good []state.Entry
	change := &state.Change{Flaws: make(map[state.Key][]state.Flaw)}
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i%aheadEntries == 0 {
			h.lookAhead(ctx, entries[i:min(i+aheadEntries, len(entries))], false)
		}
		e := &entries[i]
		was, before := e.Verified, flaws[e.Key]
		into, fn := rep, report
		if former[e.Key] { // its copy counts under another key
			into, fn = &VerifyReport{}, func(Check) {}
		}
		c := copyChecks{held: h, before: before}
		ok, known := c.verifyEntry(ctx, e, into, fn)
		e.Verified = time.Time{}
		if ok {
			e.Verified = h.Journal.Now()
			good = append(good, *e)
		}
		if known && (ok || !was.IsZero()) {
			change.Put = append(change.Put, *e)
		}
		if !slices.Equal(before, c.flaws) {
			change.Flaws[e.Key] = c.flaws
		}
		if len(change.Put)+len(change.Flaws) >= verifyBatch || i == len(entries)-1 {
			if err := h.DB.Apply(change); err != nil {
				return nil, err
			}
			change.Put = change.Put[:0]
			clear(change.Flaws)
		}
	}
	return good, nil
}

// copyChecks checks the copies of one message, with the flaws that are on record
// before and afterwards.
type copyChecks struct {
	*held
	before, flaws []state.Flaw
}

// verifyEntry checks each copy of one message. The message is verified if it has
// copies that can be read back and all of them are intact, or altered and accepted.
// That is not known while a target is gone.
func (h *copyChecks) verifyEntry(ctx context.Context, e *state.Entry, rep *VerifyReport, report func(Check)) (verified, known bool) {
	rep.Messages++
	intact, accepted, bad, gone := 0, 0, false, false
	for _, o := range e.Outcomes {
		c := Check{Key: e.Key, Target: o.Target}
		c.Finding, c.Where, c.Err = h.checkCopy(ctx, e, o)
		rep.Counts[c.Finding]++
		switch c.Finding {
		case Intact:
			intact++
		case Accepted:
			accepted++
			if h.accept {
				report(c)
			}
		case NoReadBack, NoSum:
		case StandIn:
			bad = true // what is there is intact, but it is another message
		case TargetGone:
			gone = true
			target := h.heldBy(o)
			if isAway(c.Err) {
				rep.Away = cmp.Or(rep.Away, c.Err)
			}
			if rep.missed(target) {
				report(Check{Target: target, Finding: c.Finding, Err: c.Err})
			}
		default:
			bad = true
			report(c)
		}
	}
	if bad || gone || intact+accepted == 0 {
		return false, bad || !gone
	}
	rep.Verified++
	if accepted > 0 {
		rep.Accepted++
	}
	return true, true
}

// checkCopy checks one copy and keeps what is on record of it.
func (h *copyChecks) checkCopy(ctx context.Context, e *state.Entry, o state.Outcome) (Finding, string, error) {
	var flaw state.Flaw
	if i := slices.IndexFunc(h.before, func(f state.Flaw) bool { return f.Target == o.Target }); i >= 0 {
		flaw = h.before[i]
	}
	found, sum, where, err := h.readCopy(ctx, e, o)
	if found == Altered && h.accept {
		flaw.Accepted = sum
	}
	if found == Altered && sum == flaw.Accepted {
		found = Accepted
	}
	kind, flawed := flawKinds[found]
	switch {
	case flawed:
		h.flaws = append(h.flaws, state.Flaw{Target: o.Target, Kind: kind, Accepted: flaw.Accepted})
	case found == TargetGone && flaw.Target != "":
		h.flaws = append(h.flaws, flaw)
	}
	return found, where, err
}

// missed counts a copy in a target that is gone, and reports whether it is the
// first there.
func (v *VerifyReport) missed(target string) bool {
	if v.Gone == nil {
		v.Gone = make(map[string]int)
	}
	v.Gone[target]++
	return v.Gone[target] == 1
}

// readCopy compares one copy with what was delivered; got is the sum of one that
// differs.
func (h *held) readCopy(ctx context.Context, e *state.Entry, o state.Outcome) (found Finding, got state.Sum, where string, err error) {
	if e.SHA256 == ([sha256.Size]byte{}) {
		return NoSum, got, "", nil
	}
	copies, err := h.copies(ctx, h.heldBy(o))
	switch {
	case errors.Is(err, fs.ErrNotExist), isAway(err):
		return TargetGone, got, "", err
	case err != nil:
		return Unreadable, got, "", err
	case copies == nil:
		return NoReadBack, got, "", nil
	}
	if holder, ok := copies.(Holder); ok {
		found, where, err = holds(ctx, holder, o.Receipt, e.SHA256)
		if l, ok := copies.(Lister); ok && found == Missing {
			return h.readByHeader(ctx, l, e, o, where)
		}
		return found, got, where, err
	}
	if seen, ok := h.seen[h.keyOf(e, o)]; ok {
		got, where = seen.sum, seen.where
	} else {
		sum := sha256.New()
		where, err = copies.Copy(ctx, sum, o.Receipt, e.SHA256)
		got = state.Sum(sum.Sum(nil))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, got, where, nil
	case isAway(err):
		h.readers[h.heldBy(o)].gone = err
		return TargetGone, got, where, err
	case err != nil:
		return Unreadable, got, where, err
	case got == e.SHA256:
		return Intact, got, where, nil
	case o.Status == state.Skipped:
		return StandIn, got, where, nil
	}
	return Altered, got, where, nil
}

// readByHeader is readCopy for a message that is not in a Lister as it was delivered:
// it is altered if one with its header is, that is no other message of ours. If two
// messages have that header, nobody can tell whose copy it is, and both are missing.
func (h *held) readByHeader(ctx context.Context, l Lister, e *state.Entry, o state.Outcome, where string) (Finding, state.Sum, string, error) {
	var got state.Sum
	like, err := h.readers[h.heldBy(o)].byHeader(ctx, l, e.Fingerprint, &h.Account.Policy)
	if err == nil && (like.write == nil || h.sharesHeader(e)) {
		return Missing, got, where, nil
	}
	sum := sha256.New()
	if err == nil {
		err = like.write(sum)
	}
	got = state.Sum(sum.Sum(nil))
	switch {
	case err != nil:
		return Unreadable, got, where, err
	case h.isOther(e, got):
		return Missing, got, where, nil
	}
	return Altered, got, like.where, nil
}

func holds(ctx context.Context, h Holder, receipt string, sum [sha256.Size]byte) (Finding, string, error) {
	where, ok, err := h.Holds(ctx, receipt, sum)
	switch {
	case err != nil:
		return Unreadable, where, err
	case !ok:
		return Missing, where, nil
	}
	return Intact, where, nil
}
