package plan

import (
	"cmp"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
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
	// Envelope finds the recipient of a message in a shared mailbox.
	Envelope header.Envelope
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
