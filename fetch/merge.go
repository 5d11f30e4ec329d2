package fetch

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// listed is one message of the listing while Diff works on it.
type listed struct {
	key    string
	pos    int // in the listing
	known  bool
	done   bool
	back   bool // its deletion was confirmed
	mayDel bool // delivered everywhere by us
	first  time.Time
	have   []string
}

// unfinished is how many messages may have to be retrieved.
func unfinished(rows []listed, p Policy) (n int) {
	for i := range rows {
		if p.All || !rows[i].done {
			n++
		}
	}
	return n
}

// sortedKeys gives each message its key, the nth of equal UIDs in one listing
// its own, and sorts by key.
func sortedKeys(list []pop3.Message) []listed {
	rows := make([]listed, len(list))
	for i := range list {
		rows[i] = listed{key: list[i].UID, pos: i}
	}
	byKey := func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.pos, b.pos))
	}
	if !slices.IsSortedFunc(rows, byKey) {
		slices.SortFunc(rows, byKey)
	}
	repeated := false
	for i, nth := 1, 0; i < len(rows); i++ {
		if rows[i].key != list[rows[i-1].pos].UID {
			nth = 0
			continue
		}
		nth++
		repeated = true
		rows[i].key = string(state.NewKey(rows[i].key, nth))
	}
	if repeated {
		slices.SortFunc(rows, byKey)
	}
	return rows
}

// merge walks the known records and the listing side by side.
func merge(rows []listed, k Known, p Policy, now time.Time, plan *Plan) {
	forget := cmp.Or(p.ForgetAfter, DefaultForgetAfter)
	i := 0
	for key, rec := range k.Records {
		for i < len(rows) && rows[i].key < string(key) {
			i++
		}
		if i < len(rows) && rows[i].key == string(key) {
			if !k.Compared[state.Key(key)] {
				rows[i].meet(key, rec, k, p)
			}
			if _, gone := k.Gone[state.Key(key)]; gone {
				plan.Back = append(plan.Back, state.Key(bytes.Clone(key)))
			}
			continue
		}
		since, gone := k.Gone[state.Key(key)]
		switch {
		case !gone:
			plan.Gone = append(plan.Gone, state.Key(bytes.Clone(key)))
		case now.Sub(since) >= forget:
			plan.Expire = append(plan.Expire, state.Key(bytes.Clone(key)))
		}
	}
}

// meet notes what is known of a listed message.
func (r *listed) meet(key []byte, rec state.Record, k Known, p Policy) {
	r.known, r.done = true, rec.Done()
	if r.done && rec.WasDeleted() {
		_, compared := k.Compared[state.Key(key)]
		r.back = !compared
	}
	if r.done && p.Keep.All() {
		return // nothing else is asked: the fast way for large maildrops
	}
	r.first = rec.FirstSeen()
	e := k.Entry(key, rec)
	r.mayDel = e.Source == state.Fetched || p.TrustImported && e.Source == state.Imported
	for _, o := range e.Outcomes {
		if o.Status != state.Delivered {
			r.mayDel = false
		}
		r.have = append(r.have, o.Target)
	}
}
