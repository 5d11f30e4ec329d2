package fetch

import (
	"cmp"
	"context"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Account is one maildrop and where its messages go. It is what runs: the
// configuration that it was made from is package config's.
type Account struct {
	// Name is the account's name in the configuration, for people.
	Name string
	// ID names the maildrop's state: user@host by default.
	ID string
	// Server is how to reach the maildrop.
	Server *pop3.Server
	// Targets receive each message; it is done when all have it.
	Targets []Target
	// SetAside takes what a target refuses for good (OnReject Quarantine),
	// nil if there is no such place.
	SetAside *Target
	// Policy and Limits say what to retrieve and what to delete.
	Policy Policy
	Limits Limits
	// UTF8 is when the UTF8 command is sent (RFC 6856).
	UTF8 UTF8
	// Before, if set, is called once the maildrop's state is held and before
	// the server is called; its error ends the run. After, if set, is called
	// at the end of each run, however it ended; its error is only noted.
	Before func(context.Context) error
	After  func(context.Context, *Summary) error
	// Wait is how long to wait for a state file that another run holds, and
	// for a server's LOGIN-DELAY. Zero: not at all.
	Wait time.Duration
	// Renew gets a new secret after a refused login; nil if there is no other.
	// It is called at most once in a run.
	Renew func(ctx context.Context) error
	// CreateTargets makes anew what has received mail and is gone; else such a
	// target stops.
	CreateTargets bool
	// Exactly is a saved plan: a run does just that, or nothing.
	Exactly *SavedPlan
}

// closeTargets closes all of them and returns the first error.
func (a *Account) closeTargets() (err error) {
	for i := range a.Targets {
		if cerr := a.Targets[i].Close(); err == nil {
			err = cerr
		}
	}
	if a.SetAside != nil {
		if cerr := a.SetAside.Close(); err == nil {
			err = cerr
		}
	}
	return err
}

// Target is one place that messages go to.
type Target struct {
	// ID names the target in the state. It must not change while messages
	// are incomplete.
	ID string
	deliver.Deliverer
}

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
	// Poison is after how many failures in a row a message is treated as
	// refused for good. "Not now" is no failure. Zero: DefaultPoison; negative:
	// never.
	Poison int
	// TrustImported lets Keep delete messages whose delivery was done by
	// another program, as imported state says.
	TrustImported bool
	// Envelope finds the recipient of a message in a shared mailbox.
	Envelope Envelope
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

// refused reports whether a failure counts as a refusal for good.
func (p *Policy) refused(f state.Failure) bool {
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
	// Quarantine delivers it to the account's SetAside target instead.
	Quarantine OnReject = iota
	// KeepOnServer leaves it there and tries again after growing pauses.
	KeepOnServer
)

// UTF8 says when the UTF8 command is sent.
type UTF8 uint8

const (
	// UTF8Auto sends it where the server announces it and does not break at it.
	UTF8Auto UTF8 = iota
	// UTF8On sends it wherever it is announced, UTF8Off never.
	UTF8On
	UTF8Off
)

// GmailMode is how Gmail's windowed list is treated.
type GmailMode uint8

const (
	// GmailOff treats it as any server.
	GmailOff GmailMode = iota
	// GmailRecent reads the last 30 days whatever was retrieved before, by
	// the user name prefix "recent:". Nothing is deleted in this mode.
	GmailRecent
)

// Limits bound one run of one account. Zero: no limit; negative Bytes: nothing
// is left.
type Limits struct {
	Messages    int
	Bytes       int64
	BytesPerDay int64
	// Rate is in octets a second.
	Rate int64
	// begun means that some of Bytes is spent: else one message is taken
	// even if it alone is larger, so that it does not wait for ever.
	begun bool
}

// Envelope is the exact rule by which a shared mailbox finds a message's
// recipient: the value of the Nth field named Header, less a prefix.
type Envelope struct {
	// Header is the field's name; empty: the mailbox is not shared.
	Header string
	// Occurrence counts from the top, 1 for the first; zero means 1.
	Occurrence int
	// Strip is a prefix of the address to remove, as qmail adds it.
	Strip string
}
