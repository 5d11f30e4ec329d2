package state

import "time"

// Change is one transaction. The steps are taken in the order of the fields.
type Change struct {
	// Targets are all targets of the account: a settled entry whose outcomes
	// cover them becomes Done. Without them no settled entry does.
	Targets []string
	// Settle turns intents into outcomes. An ID that is not recorded is an
	// error: the entry it stands for would be missing.
	Settle []Settlement
	// Put stores entries whole, replacing what was there.
	Put []Entry
	// Forget removes entries and all else known under their keys but intents.
	Forget []Key
	// Fail replaces the failure record of each key and target. Unfail removes
	// all of a key, and so does settling an entry that becomes Done.
	Fail   []Failure
	Unfail []Key
	// Flaws replaces what verify found of the copies of each key; none: all is well.
	Flaws map[Key][]Flaw
	// Gone are known keys that the listing at GoneAt no longer held; those
	// already gone keep their time. Back are gone keys that it held again.
	Gone   []Key
	GoneAt time.Time
	Back   []Key
	// Deleted are keys whose deletion the server confirmed (QUIT +OK) at
	// DeletedAt: they are gone since then. Unknown keys are passed over.
	Deleted   []Key
	DeletedAt time.Time
	// Unasked are keys of Asked in an earlier change that is answered now: what it
	// confirmed is in Deleted, and what it left open in Asked.
	Unasked []Key
	// Asked are keys whose deletion was asked for and not confirmed. Unknown keys
	// are passed over.
	Asked []Key
	// Intend records intents. Their IDs are filled in once it is durable.
	Intend []Intent
	// Facts replaces the facts; nil leaves them. See ListDigest for the one
	// field that Apply may reset.
	Facts *Facts
	// Run is appended to the history, of which 50 are kept.
	Run *Run
	// Budget is added to the bytes retrieved on each day ("2006-01-02", the
	// engine chooses the zone); three days are kept.
	Budget map[string]int64
}

// Settlement is the end of an intent.
type Settlement struct {
	Intent uint64
	Status Status
	// Drop: it did not become visible; the intent is removed, no more.
	Drop bool
	// Receipt replaces the intent's if not empty.
	Receipt string
}

func (c *Change) empty() bool {
	return len(c.Settle)+len(c.Put)+len(c.Forget)+len(c.Fail)+len(c.Unfail)+
		len(c.Gone)+len(c.Back)+len(c.Deleted)+len(c.Asked)+len(c.Unasked)+len(c.Intend)+len(c.Budget)+len(c.Flaws) == 0 &&
		c.Facts == nil && c.Run == nil
}

// breaksDigest applies the rule of ListDigest.
func (c *Change) breaksDigest() bool {
	for i := range c.Put {
		if !c.Put[i].Done {
			return true
		}
	}
	return len(c.Forget)+len(c.Deleted)+len(c.Asked) > 0
}
