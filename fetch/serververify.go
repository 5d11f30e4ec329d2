package fetch

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// ServerReport is the outcome of VerifyServer.
type ServerReport struct {
	// Listed is what the server holds; Same of it equals what was delivered,
	// Differs does not, Unknown was never delivered, Refused could not be
	// retrieved.
	Listed, Same, Differs, Unknown, Refused int
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
		want, known := r.sums(items)
		rep.Unknown = len(items) - len(known)
		if err := r.compareServer(ctx, c, known, want, &rep, tell); err != nil {
			return err
		}
		return c.Quit(ctx)
	})
	return rep, err
}

// sums returns the items that were delivered by us, and their sums.
func (r *run) sums(items []Item) (want map[state.Key][sha256.Size]byte, known []Item) {
	want = make(map[state.Key][sha256.Size]byte)
	for i := range items {
		if e, ok := r.entry(items[i].Key); ok && e.SHA256 != ([sha256.Size]byte{}) {
			want[items[i].Key] = e.SHA256
			known = append(known, items[i])
		}
	}
	return want, known
}

func (r *run) compareServer(ctx context.Context, c *pop3.Client, items []Item, want map[state.Key][sha256.Size]byte, rep *ServerReport, tell func(string, bool)) error {
	r.enter(Retrieving)
	next := 0
	sum := sha256.New()
	return c.Retrieve(ctx, messagesOf(items), func(m pop3.Message, body io.Reader, refused error) error {
		if refused != nil { // perhaps told late
			rep.Refused++
			return nil
		}
		for items[next].Num != m.Num {
			next++
		}
		it := &items[next]
		sum.Reset()
		if _, err := io.Copy(sum, body); err != nil {
			return err
		}
		same := [sha256.Size]byte(sum.Sum(nil)) == want[it.Key]
		if same {
			rep.Same++
		} else {
			rep.Differs++
		}
		tell(it.UID, same)
		return nil
	})
}
