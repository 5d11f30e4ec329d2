package plan

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/recipient"
	"github.com/mailhaul/mailhaul/state"
)

// Policy decides what a run does with the messages of a listing. The zero
// value keeps everything on the server.
type Policy struct {
	// Keep says what stays on the server.
	Keep Keep
	// MaxSize is the largest message to retrieve, in octets as LIST says.
	// Zero: any.
	MaxSize int64
	// All also retrieves what is already seen.
	All bool
	// ForgetAfter is how long a seen UID is remembered after the server last
	// listed it. Zero: DefaultForgetAfter.
	ForgetAfter time.Duration
	// OnReject says what becomes of a message that a target refuses for good.
	OnReject OnReject
	// Poison is after how many failures in a row a message counts as refused
	// for good (repeated failure). "Not now" is no failure. Zero: DefaultPoison; negative:
	// never.
	Poison int
	// TrustImported lets Keep delete messages that another program delivered,
	// according to its imported list.
	TrustImported bool
	// Recipients finds those of a message in a shared mailbox.
	Recipients recipient.Rule
	// Received adds one trace field at the top of each message.
	Received bool
	// Gmail is how to treat Gmail's list of at most some 250 conversations.
	Gmail GmailMode
}

// Defaults of Policy.
const (
	DefaultForgetAfter = 90 * 24 * time.Hour
	DefaultPoison      = 3
)

// Fingerprint identifies a message by its header. In a shared mailbox the copies of a
// message for several recipients differ in the fields of these.
func (p *Policy) Fingerprint(h header.Header) state.Fingerprint {
	print := h.Fingerprint()
	if to := p.Recipients.Marks(h); to != "" {
		sum := sha256.Sum256(append(print[:], to...))
		return state.Fingerprint(sum[:16])
	}
	return print
}

// Refused reports whether a failure counts as a refusal for good.
func (p *Policy) Refused(f state.Failure) bool {
	poison := cmp.Or(p.Poison, DefaultPoison)
	return f.Permanent || !f.Later && poison > 0 && f.Count >= poison
}

// Keep says which delivered messages stay on the server. The zero value keeps
// all. Of the composite rules each that is not zero can order a deletion.
type Keep struct {
	// None deletes every message once it is delivered.
	None bool
	// Days deletes what was first seen longer ago than this many days.
	Days int
	// Newest deletes all but this many of the newest messages.
	Newest int
	// Below deletes the oldest until the maildrop is smaller, in octets.
	Below int64
}

// All reports whether nothing is ever deleted.
func (k Keep) All() bool { return k == Keep{} }

// OnReject is what happens to a message that a target refuses for good. It is
// never deleted from the server because of that.
type OnReject uint8

const (
	// Quarantine delivers it to the quarantine instead.
	Quarantine OnReject = iota
	// KeepOnServer leaves it there and tries again after growing pauses.
	KeepOnServer
)

// String names it as people do.
func (r OnReject) String() string {
	return [...]string{"quarantine", "keep"}[min(r, KeepOnServer)]
}

// GmailMode is how Gmail's windowed list is treated.
type GmailMode uint8

const (
	// GmailOff treats it as any server.
	GmailOff GmailMode = iota
	// GmailRecent reads the last 30 days whatever was retrieved before, by
	// the user name prefix "recent:". Nothing is deleted in this mode.
	GmailRecent
)

// String names it as people do.
func (m GmailMode) String() string {
	return [...]string{"off", "recent"}[min(m, GmailRecent)]
}

// Limits bound one run of one account. Zero: no limit; negative Bytes: nothing
// is left.
type Limits struct {
	Messages    int
	Bytes       int64
	BytesPerDay int64
	// Rate is in octets a second.
	Rate int64
	// Begun means that some of Bytes is spent: else one message is taken
	// even if it alone is larger, so that it does not wait for ever.
	Begun bool
}

// allow reports whether one more message of that size may follow n messages.
func (l Limits) allow(n int, octets, size int64) bool {
	if l.Bytes < 0 || l.Messages > 0 && n >= l.Messages {
		return false
	}
	return l.Bytes == 0 || octets+size <= l.Bytes || !l.Begun && n == 0
}

// Affordable are the first of the items that the limits allow, whatever their
// number.
func (l Limits) Affordable(items []Item) []Item {
	l.Messages = 0
	octets := int64(0)
	for i := range items {
		size := max(items[i].Size, 0)
		if !l.allow(i, octets, size) {
			return items[:i]
		}
		octets += size
	}
	return items
}

// ages reports whether a message's age matters to the policy.
func (p Policy) ages() bool {
	return p.Gmail != GmailRecent && !p.Keep.All() && !p.Keep.None
}

// Rule is the rule of Keep that orders a deletion.
type Rule uint8

const (
	// NoRule: the message stays.
	NoRule Rule = iota
	// RuleNone is Keep.None, RuleDays Keep.Days, RuleNewest Keep.Newest and
	// RuleBelow Keep.Below.
	RuleNone
	RuleDays
	RuleNewest
	RuleBelow
)

// retention returns the rule by which each position of a listing is to be deleted
// once it is delivered. Each rule of a composite policy can order a deletion by
// itself; the first that does counts. The age of a message counts from when it
// was first seen, and at the earliest from a jump of the clock; a new one has no
// age. Total is the size of the maildrop.
func (r *rows) retention(total int64) func(pos int32) Rule {
	k, from, now := r.policy.Keep, r.known.AgesFrom, r.now
	if !r.policy.ages() {
		rule := NoRule
		if k.None && r.policy.Gmail != GmailRecent {
			rule = RuleNone
		}
		return func(int32) Rule { return rule }
	}
	rules := make([]Rule, len(r.list))
	newestFirst := byAge(r.first, from, now)
	for rank, pos := range newestFirst {
		first := r.first[pos]
		switch {
		case k.Days > 0 && !first.IsZero() && Age(first, from, now) > time.Duration(k.Days)*24*time.Hour:
			rules[pos] = RuleDays
		case k.Newest > 0 && rank >= k.Newest:
			rules[pos] = RuleNewest
		}
		if rules[pos] != NoRule {
			total -= max(r.list[pos].Size, 0)
		}
	}
	for i := len(newestFirst) - 1; i >= 0 && k.Below > 0 && total > k.Below; i-- {
		pos := newestFirst[i]
		if rules[pos] == NoRule && r.is(pos, deletable) {
			rules[pos] = RuleBelow
			total -= max(r.list[pos].Size, 0)
		}
	}
	return func(pos int32) Rule { return rules[pos] }
}

// byAge returns the positions of a listing, newest first: by first-seen time,
// and within one run by place in the listing. What was never seen is newest. A
// time in the future does not make a message newer than new mail (notAhead).
func byAge(first []time.Time, from, now time.Time) []int32 {
	order := make([]int32, len(first))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		fa, fb := notAhead(first[a], from, now), notAhead(first[b], from, now)
		switch {
		case fa.IsZero() && fb.IsZero():
		case fa.IsZero():
			return -1
		case fb.IsZero():
			return 1
		case !fa.Equal(fb):
			return fb.Compare(fa)
		}
		return cmp.Compare(b, a)
	})
	return order
}
