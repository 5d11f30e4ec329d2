package fetch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// session runs one POP3 session: list, plan, retrieve, delete, quit. It leaves
// in change what is to be recorded when it ends, however it ends. If it lists
// what this run has deleted, it does nothing and asks for a pause.
func (r *run) session(ctx context.Context, change *state.Change, done *confirmed) (w seenWindow, err error) {
	r.dropNumbers()
	c, list, err := r.connect(ctx)
	if err != nil {
		return w, err
	}
	defer r.leave(c)
	if list, err = r.name(ctx, c, list); err != nil {
		return w, err
	}
	todo, err := r.diffSized(ctx, c, list)
	if err != nil {
		return w, err
	}
	if still := done.skipped(todo.Skip); still > 0 {
		if pause, ok := r.lookAgain(done, still); ok {
			return seenWindow{pause: pause}, c.Quit(ctx)
		}
	}
	asked := todo.Asked
	if err := r.matchReused(ctx, c, list, &todo); err != nil {
		return w, err
	}
	w = seenWindow{listed: todo.Listed, gmail: gmail(c), list: list, reused: r.reusedUIDs()}
	if err := r.matchReset(ctx, c, list, &todo); err != nil {
		return w, err
	}
	if err := r.agreed(&todo); err != nil {
		return w, err
	}
	r.planned(&todo)
	w.planned = true
	change.Gone, change.Back, change.Forget = todo.Gone, todo.Back, todo.Expire
	change.GoneAt, change.Unfail = r.now(), todo.Unfail
	r.facts.LastPoll = r.now()

	w.retrieved = len(todo.Retrieve)
	if err = r.retrievePlanned(ctx, c, &todo, &w); err == nil {
		err = r.proveDeletions(ctx, c, list, &todo, &w)
	}
	limit := openLimit(err)
	if err != nil && limit == nil {
		return w, err
	}
	if limit != nil {
		r.spareUnproven(&todo, plan.NeverReused(list))
	}
	w.reused = w.reused || r.reusedUIDs()
	r.answered(asked, &todo, w.gmail, change)
	r.listedAgain(&todo, done, change)
	var twins []pop3.Message // the listing, if it has UIDs twice
	if todo.Repeated && !r.prints.late {
		twins = list
	}
	w.deleted, err = r.deleteAndQuit(ctx, c, todo.Delete, twins, change)
	if err != nil || limit != nil {
		return w, joined(err, limit)
	}
	return w, r.keepDigest(list, &todo)
}

// retrievePlanned takes the planned messages, suspects last, and counts in w.
func (r *run) retrievePlanned(ctx context.Context, c *pop3.Client, todo *plan.Plan, w *seenWindow) error {
	var portions []portion
	portions, w.later = r.suspects.portions(todo.Retrieve, r.failedHere, len(todo.Delete) > 0, r.mayReconnect())
	before := r.sum.Fetched + r.sum.SetAside
	defer func() {
		got := r.sum.Fetched + r.sum.SetAside - before
		w.brought = got > 0
		w.left = w.retrieved-got > 1 || len(todo.Delete)+len(r.doomed) > 0
	}()
	return r.retrieveAll(ctx, c, portions...)
}

// retrieveAll takes messages, and then once more those that a target refused for
// good, for the SetAside target. After a *LimitError the session can go on.
func (r *run) retrieveAll(ctx context.Context, c *pop3.Client, portions ...portion) error {
	r.enter(Retrieving)
	defer c.OneAtATime(false)
	limit := &serverLimit{}
	pass := func(items []plan.Item) ([]plan.Item, error) { return r.pass(ctx, c, limit, items) }
	for _, p := range portions {
		c.OneAtATime(p.alone)
		for _, some := range plan.RetriesFirst(p.items) {
			if err := limit.take(some, pass); err != nil {
				return err
			}
		}
	}
	c.OneAtATime(false)
	others := r.prints.others
	r.prints.others = nil
	if err := limit.take(others, pass); err != nil {
		return err
	}
	rejected := r.takeRejected()
	if len(rejected) > 0 {
		r.log.Info("setting refused messages aside", "messages", len(rejected))
	}
	if err := limit.take(rejected, pass); err != nil {
		return err
	}
	own, err := limit.end()
	r.notSent(own...)
	return err
}

func (r *run) connectOnce(ctx context.Context) (*pop3.Client, []pop3.Message, error) {
	r.enter(Connecting)
	server := *r.a.Server
	if r.facts.NoPipelining && server.Pipelining == pop3.PipelineAuto {
		server.Pipelining = pop3.PipelineOff
	}
	server.NoCapa, server.Logins = r.facts.NoCapa, r.logins()
	server.UTF8 = r.sendsUTF8()
	server.Sizes, server.ProveEach = pop3.SizeRecord(r.facts.Sizes), r.batchLimit() == 1
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
		return nil, RefusedEarly(c, &r.facts, r.now(), err)
	}
	r.sum.Sessions++
	r.facts.LastLogin, r.facts.NextLogin = r.now(), time.Time{}
	r.enter(Listing)
	list, err := r.list(ctx, c)
	if err != nil {
		return nil, err
	}
	r.learn(c)
	r.log.Info("listed", "login", c.LoginName(), "messages", len(list))
	if !r.unsized {
		r.noteList(c.ListReport(), c.HasUIDL())
	}
	return list, nil
}

// learn keeps what the session showed of the server.
func (r *run) learn(c *pop3.Client) {
	caps := c.Capabilities()
	r.facts.LoginDelay, _ = caps.LoginDelay()
	r.learnExpire(caps)
	r.noteUTF8(c)
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
	r.facts.Sizes = state.SizeRecord(c.SizeRecord())
	r.sum.RoundTrips += c.Flights()
	_ = c.Close()
}

// planned tells the summary and the reporter of a plan.
func (r *run) planned(p *plan.Plan) {
	r.log.Info("planned", "retrieve", len(p.Retrieve), "bytes", p.Bytes, "delete", len(p.Delete), "skip", len(p.Skip), "seen", p.Known)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Listed = max(r.sum.Listed, p.Listed) // of several sessions, the largest
	r.sum.Skipped = len(p.Skip)
	r.sum.Skips = make(map[plan.Reason]int)
	for i := range p.Skip {
		r.sum.Skips[p.Skip[i].Why]++
	}
	r.event.Listed = r.sum.Listed
	r.event.Total = r.event.Messages + len(p.Retrieve)
	r.event.TotalBytes = r.event.Bytes + p.Bytes
}

// dropNumbers forgets what a broken session left to be done with messages: a
// message number means nothing in the next one (RFC 1939 section 4). The state
// knows what is seen and what was refused.
func (r *run) dropNumbers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doomed, r.rejected, r.compared, r.unsized = nil, nil, nil, false
	r.suspects.asked = 0
}
