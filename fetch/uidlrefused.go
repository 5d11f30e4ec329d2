package fetch

import (
	"fmt"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A refusal of what is known to work is no absence: a server that refuses UIDL
// once would else have its messages known by other keys, and fetched twice.

// extraNoUIDL is where Facts.Extra counts the runs in a row whose UIDL was
// refused against expectation.
const extraNoUIDL = "uidl_refused"

// uidlPatience is how many such runs end with "later" before the server is taken
// at its word.
const uidlPatience = 3

// waitsForUIDL decides whether a run without unique-ids is one for later. Known
// says that there are messages on record under unique-ids; they are recognised
// by their headers if the server shows these.
func waitsForUIDL(announced, known, headers bool, refusals int) bool {
	switch {
	case !announced && !known:
		return false // it has none
	case known && !headers:
		return true // everything would come twice
	}
	return refusals <= uidlPatience
}

// uidlLater is the error of a listing that lacks the unique-ids which it should
// have; nil if the server just has none.
func (r *run) uidlLater(c *pop3.Client) error {
	refusals, _ := strconv.Atoi(r.facts.Extra[extraNoUIDL])
	refusals++
	announced := c.Capabilities().Has("UIDL")
	if !waitsForUIDL(announced, r.knowsUIDs(), r.hasTop(c), refusals) {
		return nil
	}
	r.extra(extraNoUIDL, strconv.Itoa(refusals))
	why := "which worked before"
	if announced {
		why = "which it announces"
	}
	return &Error{Exit: ExitTemp, Err: fmt.Errorf("the server refuses to list unique-ids, %s: %w", why, c.UIDLError()), Why: WhyNoUIDL}
}

// knowsUIDs reports whether a message on record was listed under a unique-id.
func (r *run) knowsUIDs() (known bool) {
	if r.db == nil {
		return false
	}
	_ = r.db.View(func(v *state.View) error { // our own View cannot fail
		for k, rec := range v.Records() {
			if known = rec.Source() == state.Fetched && !plan.IsFingerprintUID(string(k)); known {
				break
			}
		}
		return nil
	})
	return known
}
