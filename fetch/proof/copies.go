package proof

import (
	"github.com/mailhaul/mailhaul/state"
)

// When a server gives its messages new unique-ids, each has a second entry, and
// the one under the old unique-id stays for a while (law 5). Both are about the
// same delivered copy, which counts once.

// copyID is what two entries of one delivered message have in common.
type copyID struct {
	sum             [32]byte
	at              int64
	target, receipt string
}

func copyOf(e *state.Entry) (copyID, bool) {
	if e.SHA256 == ([32]byte{}) || len(e.Outcomes) == 0 {
		return copyID{}, false
	}
	o := e.Outcomes[0]
	return copyID{e.SHA256, o.At.Unix(), o.Target, o.Receipt}, true
}

// formerKeys are the keys that messages had before the server gave them new
// unique-ids: they are not listed any more, and another entry has the same copy.
func formerKeys(v *state.View) map[state.Key]bool {
	gone := v.Gone()
	if len(gone) == 0 {
		return nil
	}
	unlisted := make(map[copyID]state.Key) // of each copy the entry that counts so far
	listed := make(map[copyID]bool)
	former := make(map[state.Key]bool)
	for k, rec := range v.Records() {
		e := v.Entry(k, rec)
		id, ok := copyOf(&e)
		if !ok {
			continue
		}
		if _, is := gone[e.Key]; !is {
			listed[id] = true
			continue
		}
		earlier, twice := unlisted[id]
		switch {
		case !twice:
			unlisted[id] = e.Key
		case e.Deleted.IsZero(): // the one that was deleted is the last
			former[e.Key] = true
		default:
			former[earlier], unlisted[id] = true, e.Key
		}
	}
	for id, k := range unlisted {
		if listed[id] {
			former[k] = true
		}
	}
	return former
}
