package session

import (
	"strconv"
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
func (n *identity) uidlLater() error {
	refusals, _ := strconv.Atoi(n.book.Facts.Extra[extraNoUIDL])
	refusals++
	announced := n.client.Capabilities().Has("UIDL")
	if !waitsForUIDL(announced, n.book.knowsUIDs(), n.hasTop(), refusals) {
		return nil
	}
	n.book.Facts.SetExtra(extraNoUIDL, strconv.Itoa(refusals))
	return &UIDLRefusedError{Announced: announced, Err: n.client.UIDLError()}
}
