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
	// ID is the maildrop's: the plan is for no other.
	ID       string       `json:"id"`
	Retrieve []SavedItem  `json:"retrieve"`
	Delete   []SavedItem  `json:"delete"`
	Options  SavedOptions `json:"options"`
}

// SavedOptions are the options of the command line that the plan depends on.
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

// Completed is the saved plan once deliveries that were interrupted are done.
func (p SavedPlan) Completed(done map[state.Key]bool) *SavedPlan {
	p.Delete = slices.Clone(p.Delete)
	p.Retrieve = slices.DeleteFunc(slices.Clone(p.Retrieve), func(it SavedItem) bool {
		is := done[state.NewKey(it.UID, it.Nth)]
		if is && it.Delete {
			p.Delete = append(p.Delete, it)
		}
		return is
	})
	return &p
}

// ChangedError says that a saved plan is not what would be done now.
type ChangedError struct{ Differences []string }

func (e *ChangedError) Error() string {
	return "the mailbox or the configuration has changed since the plan was saved:\n" + strings.Join(e.Differences, "\n")
}

// Within drops what was not agreed to.
func (p *Plan) Within(want *SavedPlan) {
	fetch, drop := savedIDs(want.Retrieve), make(map[savedID]bool)
	for _, it := range want.Delete {
		drop[savedID{it.UID, it.Nth, true}] = true
	}
	for _, it := range want.Retrieve {
		drop[it.id()] = it.Delete // delivered by now
	}
	p.Retrieve = slices.DeleteFunc(p.Retrieve, func(it Item) bool {
		return !fetch[savedID{it.Key.UID(), it.Key.Nth(), it.Delete}]
	})
	p.Delete = slices.DeleteFunc(p.Delete, func(it Item) bool {
		return !drop[savedID{it.Key.UID(), it.Key.Nth(), true}]
	})
	p.weigh()
}

// Exactly compares the plan with the one that was agreed to.
func (p *Plan) Exactly(want *SavedPlan) error {
	if want == nil {
		return nil
	}
	var all []string
	for _, kind := range []struct {
		action    string
		now, then []SavedItem
	}{{"fetch", savedItems(p.Retrieve), want.Retrieve}, {"delete", savedItems(p.Delete), want.Delete}} {
		all = appendDifference(all, "not in the saved plan", kind.action, kind.now, kind.then)
		all = appendDifference(all, "only in the saved plan", kind.action, kind.then, kind.now)
	}
	if len(all) > 0 {
		return &ChangedError{all}
	}
	return nil
}

// maxDifferences is how many messages each kind of difference names.
const maxDifferences = 5

// appendDifference describes the items of a that b does not hold, if there are
// any. It does not compare the sizes: servers estimate them.
func appendDifference(out []string, where, action string, a, b []SavedItem) []string {
	have := savedIDs(b)
	items := slices.DeleteFunc(slices.Clone(a), func(it SavedItem) bool { return have[it.id()] })
	if len(items) == 0 {
		return out
	}
	var uids []string
	for _, it := range items[:min(len(items), maxDifferences)] {
		uids = append(uids, it.UID)
	}
	if len(items) > maxDifferences {
		uids = append(uids, "...")
	}
	return append(out, fmt.Sprintf("%s: %d to %s %q", where, len(items), action, uids))
}

// savedID is what two plans have to agree on for one message.
type savedID struct {
	uid    string
	nth    int
	delete bool
}

func (it SavedItem) id() savedID { return savedID{it.UID, it.Nth, it.Delete} }

func savedIDs(items []SavedItem) map[savedID]bool {
	ids := make(map[savedID]bool, len(items))
	for _, it := range items {
		ids[it.id()] = true
	}
	return ids
}
