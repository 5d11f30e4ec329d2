package proof

import (
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// Remark is a fact of a report, and what shows or changes it.
type Remark struct {
	Text string
	Next Next
}

// Next is what a person can do about a Remark.
type Next uint8

const (
	// Nothing: it is for the person to judge.
	Nothing Next = iota
	// Fetch and Verify change it.
	Fetch
	Verify
	// PurgeAndFetch in turns: the server lists a part of the mailbox at a time.
	PurgeAndFetch
	// PurgeAndReport shows whether it is so.
	PurgeAndReport
	// ReadOn: the documents have more.
	ReadOn
	// Refetch: the messages can be forgotten and fetched again.
	Refetch
	// Accept: or a person accepts the copies as they are.
	Accept
	// Unlock: whatever keeps the copies from being read.
	Unlock
	// ProveApart: an account beside this one can fetch them where they can be read
	// back.
	ProveApart
)

func (rep *Report) judgeServer() {
	s := rep.Server
	rep.because(s.New-s.Failing, "on the server %s never fetched", Fetch)
	rep.because(s.elsewhere, "on the server %s seen without being fetched here", Nothing)
	rep.because(s.Unclear, "on the server %s under the unique-id of a deleted one, and could not be compared with it", Fetch)
	if s.StillListed > 0 {
		rep.Notes = append(rep.Notes, Remark{Text: fmt.Sprintf("%d of the %s that were deleted %s still listed: some providers archive instead of deleting, by a setting", s.StillListed, ledger.Counted(rep.Deleted, "message"), ledger.IsAre(s.StillListed))})
	}
	switch {
	case s.windowed:
		rep.Reasons = append(rep.Reasons, Remark{fmt.Sprintf("the server lists only %d messages at a time", s.Listed), PurgeAndFetch})
	case s.Listed >= session.WindowSuspect:
		rep.Notes = append(rep.Notes, Remark{"some servers list only a part of the mailbox", PurgeAndReport})
	}
}

// judge adds the other reasons not to close the account, each message once. A
// quarantined message whose copy was read back is none, but a person should know of it.
func (rep *Report) judge() {
	rep.because(rep.Incomplete-rep.failing, "%s missing in a target", Fetch)
	rep.because(rep.Quarantined-rep.QuarantinedVerified-rep.spoilt, "%s refused by a target, and not verified in the quarantine", Verify)
	rep.because(rep.spoilt, "%s refused by a target, and the copy in the quarantine is not as it was", Refetch)
	for _, is := range []struct {
		Standing
		text string
		next Next
	}{
		{NotVerified, "%s delivered but not verified", Verify},
		{IsMissing, "%s delivered, and missing since", Refetch},
		{IsAltered, "%s delivered, and altered since", Accept},
		{IsUnreadable, "%s delivered, and not readable now", Unlock},
		{IsReplaced, "%s skipped as the duplicate of a message that differs", Refetch},
		{NotProvable, "%s delivered but not verified, as all copies went to a relay, a command or a target that is none any more, and cannot be read back", ProveApart},
	} {
		rep.because(rep.Standings[is.Standing], is.text, is.next)
	}
	rep.because(rep.failed, "%s on record as failed and not delivered since", Nothing)
	if n := rep.Standings[IsAccepted]; n > 0 {
		rep.Notes = append(rep.Notes, Remark{Text: sentence(n, "%s altered since delivery, and accepted by a person")})
	}
	if rep.Unconfirmed > 0 {
		rep.Notes = append(rep.Notes, Remark{Text: fmt.Sprintf("whether the server has carried out %s is not known", ledger.Counted(rep.Unconfirmed, "deletion"))})
	}
	if n := rep.QuarantinedVerified; n > 0 {
		rep.Notes = append(rep.Notes, Remark{Text: sentence(n, "%s in the quarantine only, which a target refused: look there before the state directory is removed")})
	}
}

func (rep *Report) because(n int, format string, next Next) {
	if n > 0 {
		rep.Reasons = append(rep.Reasons, Remark{sentence(n, format), next})
	}
}

func sentence(n int, format string) string {
	if n == 1 {
		return fmt.Sprintf(format, "1 message is")
	}
	return fmt.Sprintf(format, fmt.Sprintf("%d messages are", n))
}
