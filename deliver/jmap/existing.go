package jmap

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// existing settles the messages of which the server says that the account has them
// (alreadyExists): they count as delivered once an Email with their content is in the
// mailbox.
func (t *Target) existing(ctx context.Context, s *session, msgs []*message) {
	var claimed []*message
	var ids []string
	for _, m := range msgs {
		if no := m.refused(); no != nil && no.kind == "alreadyExists" {
			claimed = append(claimed, m)
			if no.existing != "" {
				ids = append(ids, no.existing)
			}
		}
	}
	if len(claimed) == 0 {
		return
	}
	there, err := s.emails(ctx, ids)
	if err != nil {
		remote.Conclude(claimed, t.o.failed(err))
		return
	}
	byID := make(map[string]*email)
	for i := range there {
		byID[there[i].ID] = &there[i]
	}
	patches := make(args)
	var moved []*message
	for _, m := range claimed {
		switch e := byID[m.refused().existing]; {
		case e == nil:
			m.Err = t.o.failure(deliver.Failed, Rejected, stageImport, errors.New("the server claims to have the message, and does not show it"))
		case !s.same(ctx, m, e):
		case e.Mailboxes[t.box.ID]:
			m.arrived(e.ID)
		default:
			patches[e.ID] = t.patch(e)
			moved = append(moved, m)
		}
	}
	if len(moved) > 0 {
		t.move(ctx, s, patches, moved)
	}
}

// same reports whether an Email has the content of a message; if not, that is its
// outcome: the server takes no other Email that it holds for the same one.
func (s *session) same(ctx context.Context, m *message, e *email) bool {
	if e.Blob == m.blob {
		return true
	}
	sums, err := s.sums(ctx, e.Blob, e.Size)
	switch {
	case err != nil:
		m.Err = s.o.failed(err)
	case sums.Loose == m.Part.Loose:
		return true
	default:
		m.Err = s.o.failed(m.Refusal)
	}
	return false
}

// patch puts an Email into the mailbox. Out of the trash and the junk it is taken: what
// lies there does not stay.
func (t *Target) patch(e *email) args {
	p := args{"mailboxIds/" + t.box.ID: true}
	for _, b := range t.boxes {
		if e.Mailboxes[b.ID] && (b.Role == "trash" || b.Role == "junk") {
			p["mailboxIds/"+b.ID] = nil
			if !t.o.Seen {
				p["keywords/$seen"] = nil
			}
		}
	}
	return p
}

// move changes Emails and notes what became of them.
func (t *Target) move(ctx context.Context, s *session, patches args, msgs []*message) {
	fault.Point("jmap.move")
	var r struct {
		Updated    map[string]any       `json:"updated"`
		NotUpdated map[string]*setError `json:"notUpdated"`
	}
	err := s.one(ctx, stageImport, "Email/set", args{"update": patches}, &r)
	fault.Point("jmap.moved")
	for _, m := range msgs {
		id := m.refused().existing
		_, ok := r.Updated[id]
		switch e := r.NotUpdated[id]; {
		case err != nil:
			m.Err = t.o.failed(err)
		case ok:
			m.arrived(id)
			t.o.Logger.Info("the server had the message in another mailbox: it is in this one now",
				"mailbox", t.o.Mailbox, "email", remote.Clean(id))
		case e != nil:
			m.Refusal = e.refusal(stageImport)
		default:
			m.Err = t.o.failure(deliver.Failed, Rejected, stageImport, errBroken)
		}
	}
}
