package commit

import (
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/state"
)

// sharing is what is known of a message in a shared mailbox, of which the server may
// hold a copy for each recipient, or several for one.
type sharing struct {
	key state.Key
	to  []string
	sum func() state.Fingerprint // once the body was read
	// routed are the targets that asked who has the message: they deliver to recipients,
	// and leave out these, who have another copy.
	routed map[string][]string
}

// copied are the recipients of a target that have another copy of the message. Only what
// a target has confirmed is on record, so a copy whose fate nobody knows hides nothing.
func (s *Side) copied(m *sharing, target string) (to []string) {
	defer func() { m.routed[target] = to }()
	if s.Policy.All {
		return nil
	}
	_ = s.DB.View(func(v *state.View) error { // damage shows at the next Apply; until then nobody has it
		for _, c := range v.Copies(m.sum()) {
			if c.Target == target && c.Key != m.key {
				to = append(to, c.To...)
			}
		}
		return nil
	})
	return to
}

// served notes who has got a message by this copy, of those whom a failure names or all;
// it is recorded with what settles the message. Who has it by another copy gets it again
// when that is forgotten.
func (c *committer) served(m *message, target string, failed *deliver.Error) {
	if m.shared == nil {
		return
	}
	others, routed := m.shared.routed[target]
	if !routed {
		return
	}
	to := m.shared.to
	if failed != nil {
		to = failed.Done
	}
	to = slices.DeleteFunc(slices.Clone(to), func(a string) bool {
		return slices.ContainsFunc(others, func(b string) bool { return strings.EqualFold(a, b) })
	})
	if sum := m.shared.sum(); len(to) > 0 && !sum.IsZero() {
		c.copies = append(c.copies, state.Copy{Key: m.Key, Target: target, To: to, Sum: sum})
	}
}
