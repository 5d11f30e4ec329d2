package plan

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// keyed is a listing and the key of each of its messages.
type keyed struct {
	list       []pop3.Message
	order      []int32             // positions in the list, by ascending key
	duplicates map[int32]state.Key // the keys of those whose UID came before
}

// keysOf gives each message its key. The nth of equal UIDs in one listing has a
// key of its own.
func keysOf(list []pop3.Message) keyed {
	k := keyed{list: list, order: make([]int32, len(list))}
	for i := range k.order {
		k.order[i] = int32(i)
	}
	slices.SortFunc(k.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(list[a].UID, list[b].UID), cmp.Compare(a, b))
	})
	for from, to := 0, 1; to <= len(k.order); to++ {
		if to == len(k.order) || list[k.order[to]].UID != list[k.order[from]].UID {
			k.number(k.order[from+1 : to])
			from = to
		}
	}
	return k
}

// Items are the messages of a listing with their keys, and in the order of
// these.
func Items(list []pop3.Message) []Item {
	k := keysOf(list)
	items := make([]Item, len(list))
	for i, pos := range k.order {
		items[i] = Item{Message: list[pos], Key: k.key(pos)}
	}
	return items
}

// number gives the second of equal UIDs and those after it keys of their own, and
// sorts their positions by these. A key of these has a NUL after the UID, which
// no UID holds: so they come after the first and before all other UIDs.
func (k *keyed) number(duplicates []int32) {
	if len(duplicates) == 0 {
		return
	}
	if k.duplicates == nil {
		k.duplicates = make(map[int32]state.Key)
	}
	for i, pos := range duplicates {
		k.duplicates[pos] = state.NewKey(k.list[pos].UID, i+1)
	}
	slices.SortFunc(duplicates, func(a, b int32) int { return cmp.Compare(k.duplicates[a], k.duplicates[b]) })
}

// key is that of the message at a position of the list.
func (k *keyed) key(pos int32) state.Key {
	if k.duplicates != nil {
		if key, ok := k.duplicates[pos]; ok {
			return key
		}
	}
	return state.Key(k.list[pos].UID)
}

// mark is what is known of a listed message.
type mark uint8

const (
	known     mark = 1 << iota
	done           // it needs nothing
	back           // done, but its deletion was confirmed or asked for
	deletable      // delivered to all targets by us
)

// rows are a listing while Diff works on it, with what it is compared with. What
// there is one of for each message is small and without pointers: a maildrop may
// hold a million.
type rows struct {
	keyed
	known  Known
	policy Policy
	now    time.Time
	marks  []mark             // by position, like first
	first  []time.Time        // when it was first seen; nil if the policy does not ask
	have   map[int32][]string // the targets that hold a message that is not done
}

func rowsOf(list []pop3.Message, k Known, p Policy, now time.Time) *rows {
	r := &rows{keyed: keysOf(list), known: k, policy: p, now: now, marks: make([]mark, len(list)), have: make(map[int32][]string)}
	if p.ages() {
		r.first = make([]time.Time, len(list))
	}
	return r
}

func (r *rows) is(pos int32, m mark) bool { return r.marks[pos]&m != 0 }

// unfinished is how many messages may have to be retrieved.
func (r *rows) unfinished() (n int) {
	for _, m := range r.marks {
		if r.policy.All || m&done == 0 {
			n++
		}
	}
	return n
}

// merge walks the known records and the listing side by side.
func (r *rows) merge(plan *Plan) {
	k, forget := &r.known, cmp.Or(r.policy.ForgetAfter, DefaultForgetAfter)
	i := 0
	for key, rec := range k.records() {
		for i < len(r.order) && string(r.key(r.order[i])) < string(key) {
			i++
		}
		if i < len(r.order) && string(r.key(r.order[i])) == string(key) {
			other, compared := k.Compared[state.Key(key)]
			if !other {
				r.note(r.order[i], key, rec)
			}
			if rec.WasAsked() && !compared {
				plan.Asked = append(plan.Asked, state.Key(bytes.Clone(key)))
			}
			if _, gone := k.Gone[state.Key(key)]; gone {
				plan.Back = append(plan.Back, state.Key(bytes.Clone(key)))
			}
			continue
		}
		if rec.WasAsked() {
			plan.Vanished = append(plan.Vanished, state.Key(bytes.Clone(key)))
		}
		since, gone := k.Gone[state.Key(key)]
		switch {
		case !gone:
			plan.Gone = append(plan.Gone, state.Key(bytes.Clone(key)))
		case Age(since, k.AgesFrom, r.now) >= forget:
			plan.Expire = append(plan.Expire, state.Key(bytes.Clone(key)))
		}
	}
}

// unlistedFailures are the keys of failures whose message is not in the listing.
// A failure with recipients that have the message stays on record: the message
// may come back, as in a windowed list, and no recipient may get it twice.
func (r *rows) unlistedFailures() (gone []state.Key) {
	for key, fs := range r.known.Failures {
		_, listed := slices.BinarySearchFunc(r.order, key, func(pos int32, k state.Key) int { return cmp.Compare(r.key(pos), k) })
		if !listed && !slices.ContainsFunc(fs, func(f state.Failure) bool { return len(f.Served) > 0 }) {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	return gone
}

// note notes what is known of a listed message.
func (r *rows) note(pos int32, key []byte, rec state.Record) {
	m := known
	if rec.Done() {
		m |= done
		if _, compared := r.known.Compared[state.Key(key)]; (rec.WasDeleted() || rec.WasAsked()) && !compared {
			m |= back
		}
	}
	r.marks[pos] = m
	if m&done != 0 && r.policy.Keep.All() {
		return // nothing else matters: the fast way for large maildrops
	}
	if r.first != nil {
		r.first[pos] = rec.FirstSeen()
	}
	e := r.known.Entry(key, rec)
	ours := e.Source == state.Fetched || r.policy.TrustImported && e.Source == state.Imported
	for _, o := range e.Outcomes {
		ours = ours && o.Status == state.Delivered
		if m&done == 0 {
			r.have[pos] = append(r.have[pos], o.Target)
		}
	}
	if ours && (m&done == 0 || !r.known.elsewhere()) {
		r.marks[pos] |= deletable
	}
}
