package proof

import (
	"context"
	"crypto/sha256"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// ServerReport is the outcome of VerifyServer.
type ServerReport struct {
	// Listed is how many messages the server holds. Of these, Same equal what was
	// delivered, Differs do not, Unknown were never delivered, and the server did
	// not send Refused. Of the Same, Marked differ in fields that servers add to
	// messages (Status, X-UIDL, ...) and that do not count.
	Listed, Same, Differs, Unknown, Refused, Marked int
}

// VerifyServer retrieves each listed message once more and compares its
// SHA-256 with what was delivered. It stores and deletes nothing. Messages that
// were delivered with a trace field (Policy.Received) differ by that field and
// cannot be compared.
func (p *Prover) VerifyServer(ctx context.Context, a *fetch.Account, report func(uid string, same bool)) (rep ServerReport, err error) {
	err = p.hold(ctx, a, func(h *held) error {
		return h.Look(ctx, func(s *session.Session, items []plan.Item) error {
			rep.Listed = len(items)
			known := h.summed(items)
			rep.Unknown = len(items) - len(known)
			return h.compareServer(ctx, s, known, &rep, report)
		})
	})
	return rep, err
}

// summed returns the items whose sums are known.
func (h *held) summed(items []plan.Item) (known []plan.Item) {
	for i := range items {
		if e, ok := h.Drop.Book.Entry(items[i].Key); ok && e.SHA256 != ([sha256.Size]byte{}) {
			known = append(known, items[i])
		}
	}
	return known
}

func (h *held) compareServer(ctx context.Context, s *session.Session, items []plan.Item, rep *ServerReport, report func(string, bool)) error {
	rep.Refused = len(items)
	return s.LookAt(ctx, items, func(i int, sums session.Sums) {
		rep.Refused--
		e, _ := h.Drop.Book.Entry(items[i].Key)
		same, marked := sums.Same(&e)
		switch {
		case !same:
			rep.Differs++
		case marked:
			rep.Marked++
			fallthrough
		default:
			rep.Same++
		}
		report(items[i].UID, same)
	})
}
