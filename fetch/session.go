package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// session runs one POP3 session: list, plan, retrieve, delete, quit. It leaves
// in change what is to be recorded when it ends, however it ends.
func (r *run) session(ctx context.Context, change *state.Change) (w seenWindow, err error) {
	r.dropNumbers()
	c, list, err := r.connect(ctx)
	if err != nil {
		return w, err
	}
	defer r.leave(c)
	if err := r.name(ctx, c, list); err != nil {
		return w, err
	}
	plan, err := r.diffSized(ctx, c, list)
	if err != nil {
		return w, err
	}
	if err := r.matchReused(ctx, c, list, &plan); err != nil {
		return w, err
	}
	w = seenWindow{listed: plan.Listed, gmail: gmail(c), list: list, reused: r.reusedUIDs()}
	if err := r.matchReset(ctx, c, list, &plan); err != nil {
		return w, err
	}
	if err := r.agreed(&plan); err != nil {
		return w, err
	}
	r.planned(&plan)
	change.Gone, change.Back, change.Forget = plan.Gone, plan.Back, plan.Expire
	change.GoneAt = r.now()
	r.facts.LastPoll = r.now()

	w.retrieved = len(plan.Retrieve)
	if err := r.retrieveAll(ctx, c, plan.Retrieve); err != nil {
		return w, err
	}
	var twins []pop3.Message // the listing, if it has UIDs twice
	if plan.Repeated && !r.prints.late {
		twins = list
	}
	w.deleted, err = r.deleteAndQuit(ctx, c, plan.Delete, twins, change)
	if err != nil {
		return w, err
	}
	return w, r.keepDigest(list, &plan)
}

// retrieveAll takes the planned messages, and then once more those that a
// target refused for good, for the SetAside target.
func (r *run) retrieveAll(ctx context.Context, c *pop3.Client, items []Item) error {
	r.enter(Retrieving)
	for _, some := range retriesFirst(items) {
		if err := r.pass(ctx, c, some); err != nil {
			return err
		}
	}
	rejected := r.takeRejected()
	if len(rejected) > 0 {
		r.log.Info("setting refused messages aside", "messages", len(rejected))
	}
	return r.pass(ctx, c, rejected)
}

func (r *run) connectOnce(ctx context.Context) (*pop3.Client, []pop3.Message, error) {
	r.enter(Connecting)
	server := *r.a.Server
	if r.facts.NoPipelining && server.Pipelining == pop3.PipelineAuto {
		server.Pipelining = pop3.PipelineOff
	}
	server.NoCapa = r.facts.NoCapa
	server.UTF8 = r.a.UTF8 == UTF8On || r.a.UTF8 == UTF8Auto && r.facts.UTF8
	c, err := pop3.Dial(ctx, &server)
	if err != nil {
		return nil, nil, err
	}
	list, err := r.open(ctx, c)
	if err != nil {
		r.leave(c)
		return nil, nil, err
	}
	return c, list, nil
}

func (r *run) open(ctx context.Context, c *pop3.Client) ([]pop3.Message, error) {
	if err := c.Login(ctx); err != nil {
		return nil, err
	}
	r.sum.Sessions++
	r.facts.LastLogin = r.now()
	r.enter(Listing)
	list, err := r.list(ctx, c)
	if err != nil {
		return nil, err
	}
	r.learn(c)
	r.log.Info("listed", "login", c.LoginName(), "messages", len(list))
	if !r.unsized {
		r.noteList(c.ListReport())
	}
	return list, nil
}

// longList is how many messages must need nothing for a poll to ask for the
// sizes only if it retrieves something. That is a round trip more then; without
// news it is a third less to send for the server, some 14 octets a message.
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
	case count != len(list): // LIST may name what UIDL does not
		return list, c.Sizes(ctx, list)
	}
	r.unsized = true
	return list, nil
}

// diffSized is diff, with the sizes if something is to be retrieved.
func (r *run) diffSized(ctx context.Context, c *pop3.Client, list []pop3.Message) (Plan, error) {
	plan, err := r.diff(list)
	if err != nil || !r.unsized {
		return plan, err
	}
	if len(plan.Retrieve)+len(plan.Skip) > 0 {
		if err := c.Sizes(ctx, list); err != nil {
			return Plan{}, err
		}
		plan, err = r.diff(list)
	}
	r.noteList(c.ListReport())
	return plan, err
}

// noteList tells of a list that was not as it should be.
func (r *run) noteList(rep pop3.ListReport) {
	if rep.Malformed > 0 {
		r.addNote(fmt.Sprintf("%s in the server's lists cannot be understood, the first: %s; those messages were left alone and stay on the server", counted(rep.Malformed, "line"), rep.Example))
	}
	if rep.Duplicates > 0 {
		r.addNote(fmt.Sprintf("the server lists a message number twice in %s; the first of each counts, and nothing is left out", counted(rep.Duplicates, "line")))
	}
	if rep.NoUID > 0 {
		r.addNote(fmt.Sprintf("without a name (UID) in the server's list: %s, left alone; a later run asks again", counted(rep.NoUID, "message")))
	}
}

// learn keeps what the session showed of the server.
func (r *run) learn(c *pop3.Client) {
	caps := c.Capabilities()
	r.facts.LoginDelay, _ = caps.LoginDelay()
	r.learnExpire(caps)
	if weaker := c.LoginStrength(); weaker < r.facts.AuthStrength {
		r.addNote(fmt.Sprintf("weaker login than before: %s instead of %s; if the server's set-up was not changed, someone may be in between: look at the certificate with `mailhaul check --connect`", c.LoginName(), r.facts.AuthName))
	}
	r.facts.AuthName, r.facts.AuthStrength = c.LoginName(), c.LoginStrength()
}

// learnExpire warns, once for each announcement, of a server that says it
// deletes retrieved mail by itself (RFC 2449 section 6.7). It never changes
// the policy: Gmail announces EXPIRE 0 and keeps everything.
func (r *run) learnExpire(caps pop3.Capabilities) {
	days, ok := caps.Expire()
	said := ""
	if ok {
		said = strconv.Itoa(days)
	}
	if ok && !r.a.Policy.Keep.None && r.facts.Extra[extraExpire] != said {
		r.addNote(fmt.Sprintf("the server announces that it may delete mail %s after it was fetched, whatever `keep` says; many announce it and do not: see the provider's settings", counted(days, "day")))
	}
	if r.facts.Extra == nil {
		r.facts.Extra = make(map[string]string)
	}
	r.facts.Extra[extraExpire] = said
}

// extraExpire is where Facts.Extra keeps the last EXPIRE.
const extraExpire = "expire"

// leave ends the connection without QUIT, if it still is open.
func (r *run) leave(c *pop3.Client) {
	r.sum.RoundTrips += c.Flights()
	_ = c.Close()
}

// name makes sure that every message of the list has a name to be known by.
func (r *run) name(ctx context.Context, c *pop3.Client, list []pop3.Message) error {
	r.prints = printed{}
	if c.HasUIDL() {
		return nil
	}
	return r.nameByHeader(ctx, c, list)
}

// diff reads the state and decides.
func (r *run) diff(list []pop3.Message) (plan Plan, err error) {
	if r.db == nil { // a plan before the first run
		return Diff(list, Known{Records: none}, r.a.Policy, r.a.Limits, r.now()), nil
	}
	err = r.db.View(func(v *state.View) error {
		known := KnownOf(v)
		known.Targets, known.Compared = r.targetIDs(), r.compared
		if r.prints.late {
			known.Records = none
		}
		limits := r.limitsLeft(v.Budget(day(r.now())))
		if n := r.unchanged(list); n > 0 && restOf(list, n, v, &known) {
			plan = diffFrom(n, list, known, r.a.Policy, limits, r.now())
			return nil
		}
		plan = Diff(list, known, r.a.Policy, limits, r.now())
		plan.without(r.got)
		return nil
	})
	return plan, err
}

// KnownOf is what Diff reads of a state. It is valid inside the View only.
func KnownOf(v *state.View) Known {
	return Known{
		Records:  v.Records(),
		Entry:    v.Entry,
		Gone:     v.Gone(),
		Failures: v.Failures(),
	}
}

func none(func([]byte, state.Record) bool) {}

var _ iter.Seq2[[]byte, state.Record] = none

// planned tells the summary and the reporter of a plan.
func (r *run) planned(p *Plan) {
	r.log.Info("planned", "retrieve", len(p.Retrieve), "bytes", p.Bytes, "delete", len(p.Delete), "skip", len(p.Skip), "seen", p.Known)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Listed = max(r.sum.Listed, p.Listed) // of several sessions, the largest
	r.sum.Skipped = len(p.Skip)
	r.sum.Skips = make(map[Reason]int)
	for i := range p.Skip {
		r.sum.Skips[p.Skip[i].Why]++
	}
	r.event.Listed = r.sum.Listed
	r.event.Total += len(p.Retrieve)
	r.event.TotalBytes += p.Bytes
}

// deleteAndQuit sends DELE for what is seen and unwanted, and QUIT, in one
// flight where the server allows it. Only QUIT's +OK makes deletions real
// (RFC 1939 section 6); without it the messages are still listed next time
// and are deleted then.
//
// List, if not nil, is a listing in which UIDs repeat.
func (r *run) deleteAndQuit(ctx context.Context, c *pop3.Client, seen []Item, list []pop3.Message, change *state.Change) (int, error) {
	doomed := spareTwins(append(deletionsOf(seen), r.takeDoomed()...), list)
	if len(doomed) > 0 {
		r.enter(Deleting)
	}
	next := 0
	var deleted []state.Key
	msgs := make([]pop3.Message, len(doomed))
	for i := range doomed {
		msgs[i] = doomed[i].Message
	}
	err := c.DeleteAndQuit(ctx, msgs, func(m pop3.Message, refused error) error {
		d := &doomed[next]
		next++
		if refused != nil {
			r.addNote(fmt.Sprintf("the server would not delete message %d: %v; it is delivered, and a later run tries again", m.Num, refused))
			return nil
		}
		deleted = append(deleted, d.key)
		return nil
	})
	var refused *pop3.QuitError
	switch {
	case errors.As(err, &refused) && len(doomed) == 0:
		r.addNote(fmt.Sprintf("the server refused to end the session: %v; nothing was to be deleted, so nothing is lost", refused.Err))
	case errors.As(err, &refused):
		r.unconfirmed(len(doomed))
		return 0, &Error{Exit: ExitTemp, Err: fmt.Errorf("the server did not confirm the deletions: %w", err), Hint: unconfirmedHint}
	case err != nil && len(doomed) == 0:
		return 0, fmt.Errorf("the session did not end well: %w", err)
	case err != nil:
		r.unconfirmed(len(doomed))
		return 0, &unconfirmedError{err}
	}
	change.Deleted, change.DeletedAt = deleted, r.now()
	r.sum.Deleted += len(deleted)
	if len(deleted) > 0 {
		r.facts.List = state.ListDigest{} // as Apply does, see there
	}
	return len(deleted), nil
}

// deletion is a message that is to be deleted from the server.
type deletion struct {
	pop3.Message
	key state.Key
}

func deletionOf(it *Item) deletion { return deletion{it.Message, it.Key} }

func deletionsOf(items []Item) []deletion {
	out := make([]deletion, 0, len(items))
	for i := range items {
		out = append(out, deletionOf(&items[i]))
	}
	return out
}

// spareTwins leaves out messages that share their UID with one that stays. The
// one that stays would be listed alone next time, under the key of the one that
// went: it would pass for seen.
func spareTwins(doomed []deletion, list []pop3.Message) []deletion {
	if list == nil {
		return doomed
	}
	staying := make(map[string]int, len(doomed))
	for i := range doomed {
		staying[doomed[i].UID]--
	}
	for i := range list {
		if n, ok := staying[list[i].UID]; ok {
			staying[list[i].UID] = n + 1
		}
	}
	return slices.DeleteFunc(doomed, func(d deletion) bool { return staying[d.UID] != 0 })
}

// dropNumbers forgets what a broken session left to be done with messages: a
// message number means nothing in the next one (RFC 1939 section 4). The state
// knows what is seen and what was refused.
func (r *run) dropNumbers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doomed, r.rejected, r.compared, r.unsized = nil, nil, nil, false
}

func (r *run) takeDoomed() []deletion {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.doomed
	r.doomed = nil
	return out
}
