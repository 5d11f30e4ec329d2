// Package proof shows what a person can trust: that what was delivered is there
// (verify), that the server holds nothing that is not (report, manifest), and that
// what is deleted there was read back before (purge).
package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/state"
)

// Prover proves what an account's runs have done. Its fields are set before the
// first call and not changed afterwards.
type Prover struct {
	// Fetcher holds the state and opens the sessions.
	Fetcher *fetch.Fetcher
	// ReadBack opens what a target holds for reading, by its ID; nil Copies for
	// a target that cannot be read back.
	ReadBack func(ctx context.Context, a *fetch.Account, target string) (Copies, error)
	// Confirm, if set, is called when it is known how many messages Purge would
	// delete, and before it deletes any; its error ends Purge. No session is open.
	Confirm func(ctx context.Context, rep *PurgeReport) error
	// AcceptAltered: a person accepts each altered copy that Verify finds, as it is now.
	AcceptAltered bool
}

// held is an account while one of the Prover's methods works on it.
type held struct {
	*fetch.Held
	prover  *Prover
	readers map[string]*reader // by target
	record  *recorded          // set when first used
	seen    map[copyKey]seen   // what was read of the next copies
	accept  bool               // altered copies, as they are now
}

// reader is a target that was opened for reading back, or why it is gone.
type reader struct {
	copies  Copies
	gone    error
	headers map[state.Fingerprint]found // of a Lister, set when first used
}

// hold calls fn while it holds the account's state, and closes what that opens.
func (p *Prover) hold(ctx context.Context, a *fetch.Account, fn func(*held) error) error {
	return p.Fetcher.Hold(ctx, a, func(h *fetch.Held) error {
		d := &held{Held: h, prover: p}
		d.reopen()
		defer d.close()
		return fn(d)
	})
}

func (h *held) close() {
	for _, r := range h.readers {
		if r.copies != nil {
			_ = r.copies.Close()
		}
	}
}

// reopen forgets what was read of the targets.
func (h *held) reopen() {
	h.close()
	h.readers, h.seen = make(map[string]*reader), nil
}

// entries returns the entries that fit, decoded.
func (h *held) entries(fits func(*state.Entry) bool) (out []state.Entry, err error) {
	err = h.DB.View(func(v *state.View) error {
		for k, rec := range v.Records() {
			if e := v.Entry(k, rec); fits(&e) {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

// isAway reports whether err says that a target, which is a server, cannot be looked at
// now: what it holds is not known, and asking again for each message would help nobody.
func isAway(err error) bool {
	var e *deliver.Error
	return errors.As(err, &e) && e.Stops()
}

// heldBy is the target that has an outcome's copy.
func (h *held) heldBy(o state.Outcome) string {
	if o.Status == state.Quarantined && h.Account.Quarantine != nil {
		return h.Account.Quarantine.ID
	}
	return o.Target
}

// copies returns the reader of a target, nil if there is none.
func (h *held) copies(ctx context.Context, target string) (Copies, error) {
	if r, known := h.readers[target]; known {
		return r.copies, r.gone
	}
	if h.prover.ReadBack == nil {
		return nil, nil
	}
	c, err := h.prover.ReadBack(ctx, h.Account, target)
	if err != nil && !isAway(err) { // that names the server
		err = fmt.Errorf("%s: %w", target, err)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || isAway(err) {
		h.readers[target] = &reader{copies: c, gone: err}
	}
	return c, err
}
