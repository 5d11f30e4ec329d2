package state

import (
	"encoding/json"
	"slices"
	"time"
)

// Failure is a message that could not be retrieved, or not delivered to one
// target. A key has at most one for each target and one for the retrieval.
type Failure struct {
	Key    Key    `json:"-"`
	Target string `json:"target,omitempty"` // empty: it could not be retrieved
	// Count is how often it failed, First and Last when, Next when it is due
	// again (zero: at once).
	Count int       `json:"count"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	// Size is the message's in octets, as LIST said; zero: unknown.
	Size int64 `json:"size,omitempty"`
	// Suspect: a session broke at it, or its body may not be whole. It is tried last
	// and alone; a failure counts only then.
	Suspect bool `json:"suspect,omitempty"`
	// Permanent: the target refused it for good.
	Permanent bool `json:"permanent,omitempty"`
	// Later: the target takes it, but not yet. Count is of these alone.
	Later bool `json:"later,omitempty"`
	// Served are the recipients of the target that have the message already.
	Served []string `json:"served,omitempty"`
	// Err is safe to print: the engine escapes what a server said.
	Err string `json:"err,omitempty"`
}

// decodeFailures returns the failures stored under k; damaged ones are left
// out: at worst the message is tried again earlier.
func decodeFailures(k Key, text []byte) []Failure {
	var list []Failure
	if text == nil || json.Unmarshal(text, &list) != nil {
		return nil
	}
	for i := range list {
		list[i].Key = k
	}
	return list
}

// fail records the failures, each in the place of an earlier one of its target.
func (a *applier) fail() error {
	for _, f := range a.Fail {
		text, err := a.failures.get([]byte(f.Key))
		if err != nil {
			return err
		}
		list := decodeFailures(f.Key, text)
		list = slices.DeleteFunc(list, func(old Failure) bool { return old.Target == f.Target })
		if err := putJSON(a.failures, []byte(f.Key), append(list, f)); err != nil {
			return err
		}
	}
	for _, k := range a.Unfail {
		known, err := a.known(k)
		if err == nil && !known {
			err = forgetCopy(a.copies, k)
		}
		if err != nil {
			return err
		}
	}
	return deleteKeys(a.failures, a.Unfail)
}

// clearFailures removes what a settled outcome makes untrue: the failures of its target
// and of the retrieval, or all once the message is done.
func (a *applier) clearFailures(k Key, target string, done bool) error {
	if !a.failing {
		return nil
	}
	text, err := a.failures.get([]byte(k))
	if err != nil {
		return err
	}
	list := decodeFailures(k, text)
	if len(list) == 0 {
		return nil
	}
	list = slices.DeleteFunc(list, func(f Failure) bool { return done || f.Target == target || f.Target == "" })
	if len(list) == 0 {
		return a.failures.del([]byte(k))
	}
	return putJSON(a.failures, []byte(k), list)
}

// firstFailed is when a message was first met: an earlier failure is earlier
// than its delivery.
func (a *applier) firstFailed(k Key, at time.Time) time.Time {
	if !a.failing {
		return at
	}
	text, err := a.failures.get([]byte(k))
	if err != nil {
		return at // the same error comes when the failures are cleared
	}
	for _, f := range decodeFailures(k, text) {
		if !f.First.IsZero() && (at.IsZero() || f.First.Before(at)) {
			at = f.First
		}
	}
	return at
}

// Failures returns the failure records by key; damaged ones are left out.
func (v *View) Failures() map[Key][]Failure {
	m := map[Key][]Failure{}
	v.each(bucketFailures, func(k, val []byte) error {
		if list := decodeFailures(Key(k), val); len(list) > 0 {
			m[Key(k)] = list
		}
		return nil
	})
	return m
}
