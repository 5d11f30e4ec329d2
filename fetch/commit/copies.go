package commit

import (
	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/state"
)

// sharing is what is known of a message in a shared mailbox, of which the server may
// hold a copy for each recipient, or several for one.
type sharing struct {
	to  []string
	sum func() state.Fingerprint // once the body was read
	// routed are the targets that asked who has the message: they deliver to recipients.
	routed map[string]bool
}

// copied are the recipients of a target that have another copy of the message. Only what
// a target has confirmed is on record, so a copy whose fate nobody knows hides nothing.
func (s *Side) copied(m *sharing, target string) (to []string) {
	m.routed[target] = true
	if s.Policy.All {
		return nil
	}
	_ = s.DB.View(func(v *state.View) error { // damage shows at the next Apply; until then nobody has it
		for _, c := range v.Copies(m.sum()) {
			if c.Target == target {
				to = append(to, c.To...)
			}
		}
		return nil
	})
	return to
}

// served notes who has got a message, those whom a failure names or all; it is recorded
// with what settles the message.
func (c *committer) served(m *message, target string, failed *deliver.Error) {
	if m.shared == nil || !m.shared.routed[target] {
		return
	}
	to := m.shared.to
	if failed != nil {
		to = failed.Done
	}
	if sum := m.shared.sum(); len(to) > 0 && !sum.IsZero() {
		c.copies = append(c.copies, state.Copy{Key: m.Key, Target: target, To: to, Sum: sum})
	}
}
