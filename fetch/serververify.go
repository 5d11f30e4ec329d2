package fetch

import (
	"context"
	"crypto/sha256"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// ServerReport is the outcome of VerifyServer.
type ServerReport struct {
	// Listed is what the server holds; Same of it equals what was delivered,
	// Differs does not, Unknown was never delivered, Refused could not be
	// retrieved. Marked of the Same differ in fields that servers add to the
	// messages they keep (Status, X-UIDL, ...), which are left out.
	Listed, Same, Differs, Unknown, Refused, Marked int
}

// VerifyServer retrieves each listed message once more and compares its
// SHA-256 with what was delivered. It stores and deletes nothing. Messages
// delivered with an added trace field (Policy.Received) differ by that field
// and cannot be compared.
func (f *Fetcher) VerifyServer(ctx context.Context, a *Account, tell func(uid string, same bool)) (rep ServerReport, err error) {
	r := f.newRun(a)
	err = r.holding(ctx, func() error {
		if err := r.awaitLogin(ctx, false); err != nil {
			return err
		}
		c, items, err := r.listRows(ctx)
		if err != nil {
			return err
		}
		defer r.leave(c)
		rep.Listed = len(items)
		known := r.summed(items)
		rep.Unknown = len(items) - len(known)
		if err := r.compareServer(ctx, c, known, &rep, tell); err != nil {
			return err
		}
		return c.Quit(ctx)
	})
	return rep, err
}

// summed returns the items whose sums are known.
func (r *run) summed(items []plan.Item) (known []plan.Item) {
	for i := range items {
		if e, ok := r.entry(items[i].Key); ok && e.SHA256 != ([sha256.Size]byte{}) {
			known = append(known, items[i])
		}
	}
	return known
}

func (r *run) compareServer(ctx context.Context, c *pop3.Client, items []plan.Item, rep *ServerReport, tell func(string, bool)) error {
	rep.Refused = len(items)
	return r.lookAt(ctx, c, items, func(i int, s bodySums) {
		rep.Refused--
		e, _ := r.entry(items[i].Key)
		same := s.like(&e, false) == sameMessage
		switch {
		case !same:
			rep.Differs++
		case s.raw != e.SHA256:
			rep.Marked++
			fallthrough
		default:
			rep.Same++
		}
		tell(items[i].UID, same)
	}, nil)
}
