package fetch

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// If QUIT was sent and its reply is lost, only the next listing tells which of
// the deletions were carried out. The state keeps for what that was asked
// (Entry.Asked). What is listed still has to be compared before it passes for
// the same message, see reused.go.

// answered notes what a listing says of deletions that were asked for and not
// confirmed: what is gone counts as deleted. Asked are the keys of those that it
// holds. Where a server lists only a part, absence is no answer.
func (r *run) answered(asked []state.Key, todo *plan.Plan, gmail bool, change *state.Change) {
	gone := todo.Vanished
	if gmail || r.facts.Window > 0 && todo.Listed >= r.facts.Window {
		gone = nil
	}
	others := 0
	for _, k := range asked {
		if r.compared[k] { // another message has its unique-id now
			others++
		}
	}
	if n := len(gone) + len(asked); n > 0 {
		r.addNote(answerNote(len(gone)+others, n))
		if r.sum.Unconfirmed == 0 {
			r.sum.Before += len(gone) + others
		}
		r.sum.Unconfirmed = 0
	}
	r.sum.Deleted += others // who applies change counts those in it
	change.Deleted, change.DeletedAt = gone, r.now()
}

// answerNote says how many of the messages are gone.
func answerNote(gone, asked int) string {
	return fmt.Sprintf("%d of the %s whose deletion was not confirmed %s gone", gone, counted(asked, "message"), isAre(gone))
}

// listedAgain settles what was compared and is the same message as before. If it
// is to stay, nothing was deleted; if not, a deletion that an earlier run has
// counted is not counted again.
func (r *run) listedAgain(todo *plan.Plan, done *confirmed, change *state.Change) {
	doomed := plan.Keys(todo.Delete)
	for k, other := range r.compared {
		e, ok := r.entry(k)
		if other || !ok {
			continue
		}
		switch {
		case !doomed[k]:
			e.Deleted = time.Time{}
		case !e.Deleted.IsZero() && !done.keys[k]:
			done.earlier[k] = true
		}
		if e.Asked || !doomed[k] {
			e.Asked = false
			change.Put = append(change.Put, e)
		}
	}
}

// answerAndCompare is compareListed, and for purge what answered is for fetch;
// it records at once.
func (r *run) answerAndCompare(ctx context.Context, c *pop3.Client, items []plan.Item) error {
	todo := plan.Plan{Listed: len(items)}
	err := r.db.View(func(v *state.View) error {
		listed := plan.Keys(items)
		for k, rec := range v.Records() {
			if !rec.WasAsked() {
				continue
			}
			if key := state.Key(bytes.Clone(k)); listed[key] {
				todo.Asked = append(todo.Asked, key)
			} else {
				todo.Vanished = append(todo.Vanished, key)
			}
		}
		return nil
	})
	if err == nil {
		err = r.compareListed(ctx, c, items)
	}
	if err != nil {
		return err
	}
	change := &state.Change{}
	r.answered(todo.Asked, &todo, gmail(c), change)
	fault.Point("asked.apply")
	return stateWrite(r.db, r.db.Apply(change))
}
