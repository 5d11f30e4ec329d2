package session

import (
	"context"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// list lists the maildrop, without the sizes where diffSized may do without
// them.
func (s *Session) list(ctx context.Context, c *pop3.Client) (list []pop3.Message, err error) {
	s.unsized = false
	if list, err = s.listFrom(ctx, c); err == nil && !s.unsized {
		s.m.noteList(c)
	}
	return list, err
}

func (s *Session) listFrom(ctx context.Context, c *pop3.Client) ([]pop3.Message, error) {
	if !s.m.Book.withoutSizes() {
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
		s.m.Book.unchanged(list, false) < len(list):
		return list, c.Sizes(ctx, list)
	}
	s.unsized = true
	return list, nil
}

// diffSized is diff, with the sizes if something is to be retrieved: a listing
// that is as it was may hold what the state has no record of.
func (s *Session) diffSized(ctx context.Context) (plan.Plan, error) {
	p, err := s.names.diff(s.List)
	if err != nil || !s.unsized {
		return p, err
	}
	if len(p.Retrieve)+len(p.Skip) > 0 {
		if err := s.Client.Sizes(ctx, s.List); err != nil {
			return plan.Plan{}, err
		}
		p, err = s.names.diff(s.List)
	}
	s.m.noteList(s.Client)
	return p, err
}

// noteList reports a list that was not as it should be. What a garbled line
// stood for is known only if the other list has it: see ListReport.NoUID.
func (m *Maildrop) noteList(c *pop3.Client) {
	j, rep := m.Side.Journal, c.ListReport()
	if rep.Malformed > 0 {
		j.Note(fmt.Sprintf("%s in the server's list of unique-ids cannot be understood, the first: %s", ledger.Counted(rep.Malformed, "line"), rep.Example))
	}
	if rep.BadSizes > 0 {
		note := fmt.Sprintf("%s in the server's list of sizes cannot be understood, the first: %s", ledger.Counted(rep.BadSizes, "line"), rep.BadSize)
		if c.HasUIDL() {
			note += "; no message is left out for it"
		}
		j.Note(note)
	}
	if rep.Duplicates > 0 {
		j.Note(fmt.Sprintf("the server lists a message number twice in %s; the first of each counts, and nothing is left out", ledger.Counted(rep.Duplicates, "line")))
	}
	if rep.NoUID > 0 {
		j.Note(fmt.Sprintf("without a unique-id (UID) in the server's list: %s, left alone; a later run asks again", ledger.Counted(rep.NoUID, "message")))
	}
}
