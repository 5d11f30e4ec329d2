package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/state"
)

// SavedPlan is what a person looked at and agreed to, for one account.
type SavedPlan struct {
	Account string `json:"account"`
	// ID names the maildrop: the plan is for no other.
	ID       string       `json:"id"`
	Retrieve []SavedItem  `json:"retrieve"`
	Delete   []SavedItem  `json:"delete"`
	Options  SavedOptions `json:"options"`
}

// SavedOptions are the options of the command line that shaped the plan.
type SavedOptions struct {
	Keep   bool `json:"keep,omitempty"`
	Delete bool `json:"delete,omitempty"`
	All    bool `json:"all,omitempty"`
	Limit  int  `json:"limit,omitempty"`
	// TrustImported is Policy.TrustImported.
	TrustImported bool `json:"trust_imported,omitempty"`
}

// SavedItem is one message of a saved plan.
type SavedItem struct {
	UID    string `json:"uid"`
	Nth    int    `json:"nth,omitempty"`
	Size   int64  `json:"size"`
	Delete bool   `json:"delete,omitempty"`
}

// Saved is the plan in the form that is written to a file.
func (p *Plan) Saved(account, id string, o SavedOptions) SavedPlan {
	return SavedPlan{Account: account, ID: id, Options: o, Retrieve: savedItems(p.Retrieve), Delete: savedItems(p.Delete)}
}

func savedItems(items []Item) []SavedItem {
	out := make([]SavedItem, 0, len(items))
	for i := range items {
		k := items[i].Key
		out = append(out, SavedItem{UID: k.UID(), Nth: k.Nth(), Size: items[i].Size, Delete: items[i].Delete})
	}
	return out
}

// ChangedError says that a saved plan is not what would be done now.
type ChangedError struct{ Differences []string }

func (e *ChangedError) Error() string {
	return "the mailbox or the configuration has changed since the plan was saved:\n" + strings.Join(e.Differences, "\n")
}

// Hint implements the hint of an error.
func (*ChangedError) Hint() string {
	return "look at `mailhaul plan` again and save it anew"
}

// Within drops what was not agreed to.
func (p *Plan) Within(want *SavedPlan) {
	fetch, drop := make(map[savedID]bool), make(map[savedID]bool)
	for _, it := range want.Retrieve {
		fetch[it.id()] = true
		drop[savedID{it.UID, it.Nth, false}] = it.Delete // delivered by now
	}
	for _, it := range want.Delete {
		drop[savedID{it.UID, it.Nth, false}] = true
	}
	p.Retrieve = slices.DeleteFunc(p.Retrieve, func(it Item) bool {
		return !fetch[savedID{it.Key.UID(), it.Key.Nth(), it.Delete}]
	})
	p.Delete = slices.DeleteFunc(p.Delete, func(it Item) bool {
		return !drop[savedID{it.Key.UID(), it.Key.Nth(), false}]
	})
	p.weigh()
}

// Exactly compares the plan with the one that was agreed to.
func (p *Plan) Exactly(want *SavedPlan) error {
	if want == nil {
		return nil
	}
	var diff []string
	diff = append(diff, differences("fetch", savedItems(p.Retrieve), want.Retrieve)...)
	diff = append(diff, differences("delete", savedItems(p.Delete), want.Delete)...)
	if len(diff) > 0 {
		return &ChangedError{diff}
	}
	return nil
}

// maxDifferences is how many messages are named for each kind of difference.
const maxDifferences = 5

// differences says what one list of actions has that the other lacks.
func differences(action string, now, then []SavedItem) []string {
	var out []string
	say := func(what string, items []SavedItem) {
		var uids []string
		for _, it := range items[:min(len(items), maxDifferences)] {
			uids = append(uids, string(state.NewKey(it.UID, 0)))
		}
		if len(items) > maxDifferences {
			uids = append(uids, "...")
		}
		if len(items) > 0 {
			out = append(out, fmt.Sprintf("%d to %s %s: %q", len(items), action, what, uids))
		}
	}
	say("that the plan does not have", without(now, then))
	say("in the plan that are not to be now", without(then, now))
	return out
}

// without returns the items of a that b does not hold. The size is not
// compared: servers estimate it.
func without(a, b []SavedItem) []SavedItem {
	have := make(map[savedID]bool, len(b))
	for _, it := range b {
		have[it.id()] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(it SavedItem) bool { return have[it.id()] })
}

// savedID is what two plans have to agree on for one message.
type savedID struct {
	uid    string
	nth    int
	delete bool
}

func (it SavedItem) id() savedID { return savedID{it.UID, it.Nth, it.Delete} }
