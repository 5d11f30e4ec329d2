package state

import (
	"encoding/json"
	"maps"
	"slices"
)

// Flaw is what verify last found of one copy of a message that is not as it was
// delivered.
type Flaw struct {
	Target string   `json:"target"`
	Kind   FlawKind `json:"kind"`
	// Accepted is the SHA-256 of an altered copy that a person accepted; zero: none.
	// It stays while the copy is missing or altered again.
	Accepted Sum `json:"accepted,omitzero"`
}

// FlawKind is what is wrong with a copy.
type FlawKind uint8

const (
	// Unreadable: it could not be read back.
	Unreadable FlawKind = iota
	// Missing: it is not in the target any more.
	Missing
	// Altered: it differs from what was delivered.
	Altered
	// Accepted: it differs, and a person accepted just these bytes.
	Accepted
	// Replaced: it was skipped as the duplicate of a message that differs.
	Replaced
)

var flawNames = [...]string{"unreadable", "missing", "altered", "accepted", "replaced"}

// MarshalText writes the name.
func (k FlawKind) MarshalText() ([]byte, error) { return enumText(flawNames[:], "flaw", uint8(k)) }

// UnmarshalText accepts the names that MarshalText writes.
func (k *FlawKind) UnmarshalText(b []byte) error {
	return parseEnum(flawNames[:], "flaw", b, (*uint8)(k))
}

// Flaws returns those on record by key; damaged ones are left out: the next verify
// finds them again.
func (v *View) Flaws() map[Key][]Flaw {
	m := map[Key][]Flaw{}
	v.each(bucketFlaws, func(k, val []byte) error {
		var list []Flaw
		if json.Unmarshal(val, &list) == nil {
			m[Key(k)] = list
		}
		return nil
	})
	return m
}

// putFlaws replaces those of each key, in the order of the keys.
func (a *applier) putFlaws() error {
	for _, k := range slices.Sorted(maps.Keys(a.Flaws)) {
		var err error
		if len(a.Flaws[k]) == 0 {
			err = a.flaws.del([]byte(k))
		} else {
			err = putJSON(a.flaws, []byte(k), a.Flaws[k])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clearFlaws removes what a new delivery to a target makes untrue.
func clearFlaws(t *table, k Key, target string) error {
	if t.want.n == 0 {
		return nil
	}
	text, err := t.get([]byte(k))
	var list []Flaw
	if err != nil || text == nil || json.Unmarshal(text, &list) != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(f Flaw) bool { return f.Target == target })
	if len(list) == 0 {
		return t.del([]byte(k))
	}
	return putJSON(t, []byte(k), list)
}
