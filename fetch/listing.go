package fetch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// From the server's listing to the plan: what is asked for, what was odd about
// it, and what of it is known.

// longList is how many messages must have needed nothing for a poll to ask for
// the sizes only if the listing is not as it was. That is a round trip more then;
// if it is, it is a third less to send for the server, some 14 octets a message.
const longList = 20_000

// list is c.List, without the sizes where diffSized may do without them.
func (r *run) list(ctx context.Context, c *pop3.Client) ([]pop3.Message, error) {
	if !r.poll || !r.digestible() || r.facts.List.Count < cmp.Or(r.f.longList, longList) {
		return c.List(ctx)
	}
	list, err := c.ListUIDs(ctx)
	if err != nil {
		return nil, err
	}
	switch count := c.ListReport().Count; {
	case !c.HasUIDL() && count != 0:
		return c.List(ctx)
	case count != len(list), // LIST may name what UIDL does not
		r.unchanged(list) < len(list):
		return list, c.Sizes(ctx, list)
	}
	r.unsized = true
	return list, nil
}

// diffSized is diff, with the sizes if something is to be retrieved: a listing
// that is as it was may hold what the state has no record of.
func (r *run) diffSized(ctx context.Context, c *pop3.Client, list []pop3.Message) (plan.Plan, error) {
	todo, err := r.diff(list)
	if err != nil || !r.unsized {
		return todo, err
	}
	if len(todo.Retrieve)+len(todo.Skip) > 0 {
		if err := c.Sizes(ctx, list); err != nil {
			return plan.Plan{}, err
		}
		todo, err = r.diff(list)
	}
	r.noteList(c.ListReport(), c.HasUIDL())
	return todo, err
}

// noteList reports a list that was not as it should be. What a garbled line
// stood for is known only if the other list has it: see ListReport.NoUID.
func (r *run) noteList(rep pop3.ListReport, hasUIDL bool) {
	if rep.Malformed > 0 {
		r.addNote(fmt.Sprintf("%s in the server's list of unique-ids cannot be understood, the first: %s", counted(rep.Malformed, "line"), rep.Example))
	}
	if rep.BadSizes > 0 {
		note := fmt.Sprintf("%s in the server's list of sizes cannot be understood, the first: %s", counted(rep.BadSizes, "line"), rep.BadSize)
		if hasUIDL {
			note += "; no message is left out for it"
		}
		r.addNote(note)
	}
	if rep.Duplicates > 0 {
		r.addNote(fmt.Sprintf("the server lists a message number twice in %s; the first of each counts, and nothing is left out", counted(rep.Duplicates, "line")))
	}
	if rep.NoUID > 0 {
		r.addNote(fmt.Sprintf("without a unique-id (UID) in the server's list: %s, left alone; a later run asks again", counted(rep.NoUID, "message")))
	}
}

// name makes sure that every message of the list has a name to be known by.
// Those that cannot have one are left out of what it returns.
func (r *run) name(ctx context.Context, c *pop3.Client, list []pop3.Message) ([]pop3.Message, error) {
	r.prints = printed{}
	if c.HasUIDL() || len(list) == 0 {
		delete(r.facts.Extra, extraNoUIDL)
		return list, nil
	}
	if err := r.uidlLater(c); err != nil {
		return nil, err
	}
	return r.nameByHeader(ctx, c, list)
}

// diff reads the state and decides.
func (r *run) diff(list []pop3.Message) (todo plan.Plan, err error) {
	if r.db == nil { // a plan before the first run
		return plan.Diff(list, plan.Known{}, r.a.Policy, r.a.Limits, r.now()), nil
	}
	err = r.db.View(func(v *state.View) error {
		known := plan.KnownOf(v)
		known.Targets, known.Compared = r.targetIDs(), r.compared
		known.AgesFrom = plan.AgesFrom(&r.facts, r.now(), plan.Built())
		if r.prints.late {
			known.Records = nil
		}
		limits := r.limitsLeft(v.Budget(day(r.now())))
		if n := r.unchanged(list); n > 0 && plan.RestOf(list, n, v, &known) {
			todo = plan.DiffFrom(n, list, known, r.a.Policy, limits, r.now())
			return nil
		}
		todo = plan.Diff(list, known, r.a.Policy, limits, r.now())
		todo.Without(r.got)
		if r.prints.late {
			todo.Unfail = nil // what is listed is not known by its key yet
		}
		return nil
	})
	return todo, err
}

// digestible reports whether a poll looks only for what is new.
func (r *run) digestible() bool {
	return r.a.Policy.Keep.All() && !r.a.Policy.All && !r.prints.late
}

// unchanged is how many messages at the head of a listing are as they were
// when they needed nothing.
func (r *run) unchanged(list []pop3.Message) int {
	d := r.facts.List
	if !r.digestible() || d.Count <= 0 || d.Count > len(list) || plan.Digest(list[:d.Count], r.targetIDs()) != d.Sum {
		return 0
	}
	return d.Count
}

// keepDigest notes how much of a listing needs nothing next time: what comes
// before the first message that is not done. It is called once the session's
// work is applied.
func (r *run) keepDigest(list []pop3.Message, todo *plan.Plan) error {
	if !r.digestible() || r.a.Exactly != nil { // which leaves out what is not in the saved plan
		return nil
	}
	open := make(map[int]bool, len(todo.Skip))
	for i := range todo.Skip {
		open[todo.Skip[i].Num] = true
	}
	err := r.db.View(func(v *state.View) error {
		for i := range todo.Retrieve {
			if !v.Record(todo.Retrieve[i].Key).Done() {
				open[todo.Retrieve[i].Num] = true
			}
		}
		return nil
	})
	n := len(list)
	if i := slices.IndexFunc(list, func(m pop3.Message) bool { return open[m.Num] }); i >= 0 {
		n = i
	}
	r.facts.List = state.ListDigest{Count: n, Sum: plan.Digest(list[:n], r.targetIDs())}
	return err
}

// agreed holds a plan to the saved one, if there is one. The first session of a
// run must find just that to do; a later one does what is left of it.
func (r *run) agreed(p *plan.Plan) error {
	want := r.a.Exactly
	switch {
	case want == nil:
		return nil
	case r.agreedOn:
		p.Within(want)
		return nil
	}
	r.agreedOn = true
	return p.Exactly(want)
}
