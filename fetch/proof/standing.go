package proof

import (
	"slices"

	"github.com/mailhaul/mailhaul/state"
)

// Standing is what is known of a delivered message: each has one.
type Standing uint8

const (
	// NotVerified: nobody has read it back yet.
	NotVerified Standing = iota
	// IsVerified: each copy that can be read back was intact.
	IsVerified
	// IsAccepted: the same, but a copy is altered, and a person accepted that.
	IsAccepted
	// IsMissing, IsAltered, IsUnreadable and IsReplaced are what the last verify
	// found of a copy.
	IsMissing
	IsAltered
	IsUnreadable
	IsReplaced
	// NotProvable: no target that has it can be read back.
	NotProvable
)

// standing is the worst that is known of a message's copies.
func (in *Inspected) standing() Standing {
	has := func(k state.FlawKind) bool {
		return slices.ContainsFunc(in.Flaws, func(f state.Flaw) bool { return f.Kind == k })
	}
	switch {
	case !in.Verified.IsZero() && has(state.Accepted):
		return IsAccepted
	case !in.Verified.IsZero():
		return IsVerified
	case has(state.Missing):
		return IsMissing
	case has(state.Altered):
		return IsAltered
	case has(state.Unreadable):
		return IsUnreadable
	case has(state.Replaced):
		return IsReplaced
	case !in.readable:
		return NotProvable
	}
	return NotVerified
}

// Flawed is a copy that is not as it was delivered.
type Flawed struct {
	Key state.Key
	state.Flaw
	Where string // empty if it is not known
}

// Finding is what verify found of it.
func (f Flawed) Finding() Finding {
	for finding, kind := range flawKinds {
		if kind == f.Kind {
			return finding
		}
	}
	return Unreadable
}

// flawed are the copies of a message that are not as they were delivered.
func (in *Inspected) flawed() (list []Flawed) {
	for _, f := range in.Flaws {
		row := Flawed{Key: in.Key, Flaw: f}
		for _, c := range in.Copies {
			if c.Target == f.Target {
				row.Where = c.Where
			}
		}
		list = append(list, row)
	}
	return list
}
