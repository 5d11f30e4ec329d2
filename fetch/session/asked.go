package session

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// If QUIT was sent and its reply is lost, only the next listing tells which of
// the deletions were carried out. The state keeps for what that was asked
// (Entry.Asked). What is listed still has to be compared before it passes for
// the same message, see reused.go.

// answered notes what a listing says about deletions that were asked for and not
// confirmed, and returns the keys of those that are gone. Asked are those that
// it holds, vanished those that it does not. Where a server lists only a part,
// absence is no answer.
func (s *Session) answered(asked, vanished []state.Key, gmail bool) (gone []state.Key) {
	if window := s.m.Book.Facts.Window; !gmail && (window == 0 || len(s.List) < window) {
		gone = vanished
	}
	others := 0
	for _, k := range asked {
		if s.names.compared[k] { // another message has its unique-id now
			others++
		}
	}
	t := &s.m.Tally
	if n := len(gone) + len(asked); n > 0 {
		s.m.Side.Journal.Note(answerNote(len(gone)+others, n))
		if t.Unconfirmed == 0 {
			t.Before += len(gone) + others
		}
		t.Unconfirmed = 0
	}
	t.Deleted += others // who applies the change counts those in it
	return gone
}

// answerNote says how many of the messages are gone.
func answerNote(gone, asked int) string {
	return fmt.Sprintf("%d of the %s whose deletion was not confirmed %s gone", gone, ledger.Counted(asked, "message"), ledger.IsAre(gone))
}

// listedAgain are the entries of messages that were compared and are the same as
// before, as they are to be recorded. If one is to stay, nothing was deleted; if
// not, a deletion that an earlier run has counted is not counted again.
func (n *identity) listedAgain(p *plan.Plan, done *Confirmed) (put []state.Entry) {
	goes := plan.Keys(p.Delete)
	for k, other := range n.compared {
		e, ok := n.book.Entry(k)
		if other || !ok {
			continue
		}
		switch {
		case !goes[k]:
			e.Deleted = time.Time{}
		case !e.Deleted.IsZero() && !done.keys[k]:
			done.earlier[k] = true
		}
		if e.Asked || !goes[k] {
			e.Asked = false
			put = append(put, e)
		}
	}
	return put
}

// CompareListed compares what is listed although its deletion was confirmed, or
// asked for, and records at once what the listing says about it.
func (s *Session) CompareListed(ctx context.Context, items []plan.Item) error {
	var asked, vanished []state.Key
	err := s.m.Book.DB.View(func(v *state.View) error {
		listed := plan.Keys(items)
		for k, rec := range v.Records() {
			if !rec.WasAsked() {
				continue
			}
			if key := state.Key(bytes.Clone(k)); listed[key] {
				asked = append(asked, key)
			} else {
				vanished = append(vanished, key)
			}
		}
		return nil
	})
	if err == nil {
		err = s.Compare(ctx, items)
	}
	if err != nil {
		return err
	}
	change := &state.Change{Deleted: s.answered(asked, vanished, Gmail(s.Client)), DeletedAt: s.m.Side.Journal.Now()}
	for _, k := range asked {
		if other, compared := s.names.compared[k]; compared && !other { // it is still there
			change.Unasked = append(change.Unasked, k)
		}
	}
	fault.Point("asked.apply")
	return s.m.Book.DB.Apply(change)
}
