package session

import (
	"cmp"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Book is what is on record of the maildrop, and what a run may do with it.
type Book struct {
	DB     *state.DB // nil before the first run
	Facts  *state.Facts
	Policy *plan.Policy
	Limits plan.Limits
	// Targets are the IDs of the account's.
	Targets []string
	// Poll: only what is new matters.
	Poll bool
	// LongList is how many messages must have needed nothing for a poll to do
	// without the sizes. Zero: 20,000.
	LongList int
	Ledger   *ledger.Ledger
	Journal  *ledger.Journal

	budgeted int64 // octets of this run that are in the day's budget already
}

// Entry is the one of a key.
func (b *Book) Entry(k state.Key) (e state.Entry, ok bool) {
	_ = b.DB.View(func(v *state.View) error { // our own View cannot fail
		e, ok = v.Get(k)
		return nil
	})
	return e, ok
}

// diff reads the state and decides. Late says that the listing has no keys yet.
func (b *Book) diff(list []pop3.Message, compared map[state.Key]bool, late bool) (p plan.Plan, err error) {
	now := b.Journal.Now()
	if b.DB == nil { // a plan before the first run
		return plan.Diff(list, plan.Known{}, *b.Policy, b.Limits, now), nil
	}
	err = b.DB.View(func(v *state.View) error {
		known := plan.KnownOf(v)
		known.Targets, known.Compared = b.Targets, compared
		if had := v.Targets(); len(had) > 0 && !b.Policy.All {
			known.New = slices.DeleteFunc(slices.Clone(b.Targets), func(id string) bool { return slices.Contains(had, id) })
		}
		known.AgesFrom = plan.AgesFrom(b.Facts, now, plan.Built())
		if late {
			known.Records = nil
		}
		limits := b.limitsLeft(v.Budget(day(now)))
		defer func() { p.New = known.New }()
		var rest bool
		if p, rest = plan.DiffFrom(b.unchanged(list, late), list, v, known, *b.Policy, limits, now); rest {
			return nil
		}
		p = plan.Diff(list, known, *b.Policy, limits, now)
		p.Without(b.Ledger.Settled())
		if late {
			p.Unfail = nil // what is listed is not known by its key yet
		}
		return nil
	})
	return p, err
}

// digestible reports whether a poll looks only for what is new.
func (b *Book) digestible(late bool) bool {
	return b.Policy.Keep.All() && !b.Policy.All && !late
}

// unchanged is how many messages at the head of a listing are as they were
// when they needed nothing.
func (b *Book) unchanged(list []pop3.Message, late bool) int {
	d := b.Facts.List
	if !b.digestible(late) || d.Count <= 0 || d.Count > len(list) || plan.Digest(list[:d.Count], b.Targets) != d.Sum {
		return 0
	}
	return d.Count
}

// keepDigest notes how much of a listing needs nothing next time: what comes
// before the first message that is not done. It is called once the session's
// work is applied.
func (b *Book) keepDigest(list []pop3.Message, p *plan.Plan) error {
	open := make(map[int]bool, len(p.Skip))
	for i := range p.Skip {
		open[p.Skip[i].Num] = true
	}
	err := b.DB.View(func(v *state.View) error {
		for i := range p.Retrieve {
			if !v.Record(p.Retrieve[i].Key).Done() {
				open[p.Retrieve[i].Num] = true
			}
		}
		return nil
	})
	n := len(list)
	if i := slices.IndexFunc(list, func(m pop3.Message) bool { return open[m.Num] }); i >= 0 {
		n = i
	}
	b.Facts.List = state.ListDigest{Count: n, Sum: plan.Digest(list[:n], b.Targets)}
	return err
}

// applyCompared records what a comparison found.
func (b *Book) applyCompared(change *state.Change) error {
	if len(change.Put)+len(change.Forget) == 0 {
		return nil
	}
	fault.Point("reused.apply")
	if err := b.DB.Apply(change); err != nil {
		return err
	}
	b.Facts.List = state.ListDigest{} // the one on record may hold what was forgotten
	return nil
}

// knowsUIDs reports whether a message on record was listed under a unique-id.
func (b *Book) knowsUIDs() (known bool) {
	if b.DB == nil {
		return false
	}
	_ = b.DB.View(func(v *state.View) error { // our own View cannot fail
		for k, rec := range v.Records() {
			if known = rec.Source() == state.Fetched && !plan.IsFingerprintUID(string(k)); known {
				break
			}
		}
		return nil
	})
	return known
}

// day is the one that a daily budget counts on, in UTC.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// limitsLeft is what the limits still allow in this run; today is what earlier
// runs retrieved on this day.
func (b *Book) limitsLeft(today int64) plan.Limits {
	l := b.octetsLeft(today)
	if l.Messages > 0 {
		l.Messages = max(l.Messages-b.Ledger.Counts().Fetched, 0)
		if l.Messages == 0 {
			l.Bytes = -1
		}
	}
	return l
}

// octetsLeft is limitsLeft for what does not count as a message.
func (b *Book) octetsLeft(today int64) plan.Limits {
	l := b.Limits
	spent := b.Journal.Progress().Bytes
	l.Begun = spent > 0
	if l.Bytes > 0 {
		l.Bytes = left(l.Bytes, spent)
	}
	if l.BytesPerDay > 0 && l.Bytes >= 0 {
		rest := left(l.BytesPerDay, today+spent-b.budgeted)
		if l.Bytes == 0 || rest < l.Bytes {
			l.Bytes, l.Begun = rest, today+spent > 0
		}
	}
	return l
}

// left is what is left of a limit, -1 for nothing.
func left(limit, spent int64) int64 {
	if spent >= limit {
		return -1
	}
	return limit - spent
}

// affordable are the first items that the run may still retrieve for a
// comparison, which does not count as a message.
func (b *Book) affordable(items []plan.Item) (out []plan.Item, err error) {
	err = b.DB.View(func(v *state.View) error {
		out = b.octetsLeft(v.Budget(day(b.Journal.Now()))).Affordable(items)
		return nil
	})
	return out, err
}

// Spent is what was retrieved since the last call, for the day's budget; nil if
// there is none.
func (b *Book) Spent() map[string]int64 {
	n := b.Journal.Progress().Bytes - b.budgeted
	if n <= 0 || b.Limits.BytesPerDay <= 0 {
		return nil
	}
	b.budgeted += n
	return map[string]int64{day(b.Journal.Now()): n}
}

// LimitReached reports whether this run may take no more.
func (b *Book) LimitReached() bool {
	c := b.Ledger.Counts()
	return b.Limits.Messages > 0 && c.Fetched >= b.Limits.Messages || b.Limits.Bytes > 0 && c.Bytes >= b.Limits.Bytes
}

// longList: below it, a listing without the sizes is not worth the round trip
// that it costs if the listing is not as it was; it is a third less to send for
// the server, some 14 octets a message.
const longList = 20_000

// withoutSizes reports whether a listing may do without the sizes at first.
func (b *Book) withoutSizes() bool {
	return b.Poll && b.digestible(false) && b.Facts.List.Count >= cmp.Or(b.LongList, longList)
}
