package state

import (
	"encoding/json"
	"slices"
)

// Copy says who got a message by one of its copies: the server may hold one for each
// recipient.
type Copy struct {
	// Key is that of the copy. What is known by it is forgotten with it.
	Key Key `json:"-"`
	// Raw is the key on disk: unique-ids may have any bytes.
	Raw []byte `json:"key"`
	// Target and To are the target and its recipients that have the message.
	Target string   `json:"target"`
	To     []string `json:"to"`
	// Sum is what all copies of the message have in common.
	Sum Fingerprint `json:"-"`
}

// The bucket has the copies of each sum, and the sum of each copy.
const (
	copiesOf = "s"
	sumOfKey = "k"
)

// Copies returns the copies of a message that have reached somebody.
func (v *View) Copies(sum Fingerprint) []Copy {
	return decodeCopies(sum, v.value(bucketCopies, []byte(copiesOf+string(sum[:]))))
}

// decodeCopies leaves out what is damaged: the message is delivered again.
func decodeCopies(sum Fingerprint, text []byte) []Copy {
	var list []Copy
	if text == nil || json.Unmarshal(text, &list) != nil {
		return nil
	}
	for i := range list {
		list[i].Key, list[i].Sum = Key(list[i].Raw), sum
	}
	return list
}

// putCopies records who has got messages; what is new of a copy and a target replaces
// what was known.
func (a *applier) putCopies() error {
	for _, c := range a.Copies {
		c.Raw = []byte(c.Key)
		if err := changeCopies(a.copies, c.Sum, func(list []Copy) []Copy {
			return append(slices.DeleteFunc(list, func(old Copy) bool { return old.Key == c.Key && old.Target == c.Target }), c)
		}); err != nil {
			return err
		}
		if err := a.copies.put([]byte(sumOfKey+string(c.Key)), slices.Clone(c.Sum[:])); err != nil {
			return err
		}
	}
	return nil
}

// changeCopies replaces the copies of a sum.
func changeCopies(t *table, sum Fingerprint, change func([]Copy) []Copy) error {
	k := []byte(copiesOf + string(sum[:]))
	text, err := t.get(k)
	if err != nil {
		return err
	}
	list := change(decodeCopies(sum, text))
	if len(list) == 0 {
		return t.del(k)
	}
	return putJSON(t, k, list)
}

// forgetCopy removes what is known by one copy.
func forgetCopy(t *table, k Key) error {
	if t.want.n == 0 {
		return nil
	}
	at := []byte(sumOfKey + string(k))
	b, err := t.get(at)
	if err != nil || len(b) != len(Fingerprint{}) {
		return err
	}
	if err := t.del(at); err != nil {
		return err
	}
	return changeCopies(t, Fingerprint(b), func(list []Copy) []Copy {
		return slices.DeleteFunc(list, func(c Copy) bool { return c.Key == k })
	})
}
