package jmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// roles are those of the IANA registry "IMAP Mailbox Name Attributes" that a server's
// own mailboxes have (RFC 8621 section 2).
var roles = []string{"all", "archive", "drafts", "flagged", "important", "inbox", "junk", "sent", "trash"}

// maxLevels bounds how deep mailboxes lie.
const maxLevels = 100

// mailbox is a Mailbox of the server.
type mailbox struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Parent string `json:"parentId"`
	Role   string `json:"role"`
	Rights struct {
		Add *bool `json:"mayAddItems"`
	} `json:"myRights"`
}

// mailboxes lists them all.
func (s *session) mailboxes(ctx context.Context) ([]mailbox, error) {
	var r struct {
		List []mailbox `json:"list"`
	}
	err := s.one(ctx, stageMailbox, "Mailbox/get",
		args{"ids": nil, "properties": []string{"id", "name", "parentId", "role", "myRights"}}, &r)
	return r.List, err
}

// find returns the mailbox of a role or a name, and the levels that are missing below
// the deepest one that is there.
func find(boxes []mailbox, name string) (box mailbox, missing []string) {
	if role := strings.ToLower(name); name == role && slices.Contains(roles, role) || role == "inbox" {
		for _, b := range boxes {
			if b.Role == role {
				return b, nil
			}
		}
	}
	missing = strings.Split(name, "/")
	for len(missing) > 0 {
		next, ok := child(boxes, box.ID, missing[0])
		if !ok {
			break
		}
		box, missing = next, missing[1:]
	}
	return box, missing
}

// child finds a mailbox by name; servers that ignore case refuse a second spelling.
func child(boxes []mailbox, parent, name string) (mailbox, bool) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, b := range boxes {
			if b.Parent == parent && same(b.Name, name) {
				return b, true
			}
		}
	}
	return mailbox{}, false
}

// path is a mailbox's name with its levels.
func path(boxes []mailbox, id string) string {
	var levels []string
	for range maxLevels {
		i := slices.IndexFunc(boxes, func(b mailbox) bool { return b.ID == id })
		if i < 0 {
			break
		}
		levels, id = append(levels, boxes[i].Name), boxes[i].Parent
	}
	slices.Reverse(levels)
	return remote.Clean(strings.Join(levels, "/"))
}

// locate finds the mailbox of the options, and creates what is missing of it.
func (s *session) locate(ctx context.Context) (mailbox, []mailbox, error) {
	if err := s.writable(); err != nil {
		return mailbox{}, nil, err
	}
	boxes, err := s.mailboxes(ctx)
	if err != nil {
		return mailbox{}, nil, s.o.failed(err)
	}
	box, missing := find(boxes, s.o.Mailbox)
	for _, name := range missing {
		if box, err = s.create(ctx, name, box.ID); err != nil {
			return box, nil, err
		}
	}
	if box.Rights.Add != nil && !*box.Rights.Add {
		return box, nil, s.o.noRight()
	}
	return box, boxes, nil
}

// writable is an error if nothing can be added to the account.
func (s *session) writable() error {
	if s.readOnly {
		return s.o.failure(deliver.CannotCreate, NoRight, stageSession, errors.New("the account is read-only"))
	}
	return nil
}

func (o *Options) noRight() error {
	return o.failure(deliver.CannotCreate, NoRight, stageMailbox, errors.New("no right to add messages to "+o.Mailbox))
}

// create makes a mailbox.
func (s *session) create(ctx context.Context, name, parent string) (box mailbox, err error) {
	if strings.EqualFold(name, "inbox") && parent == "" {
		return box, s.o.failure(deliver.CannotCreate, MailboxRefused, stageMailbox, errors.New("the account has no mailbox with the role inbox"))
	}
	fault.Point("jmap.create")
	var r struct {
		Created    map[string]mailbox   `json:"created"`
		NotCreated map[string]*setError `json:"notCreated"`
	}
	made := args{"name": name, "isSubscribed": true, "parentId": nil}
	if parent != "" {
		made["parentId"] = parent
	}
	err = s.one(ctx, stageMailbox, "Mailbox/set", args{"create": args{"new": made}}, &r)
	if e := r.NotCreated["new"]; err == nil && e != nil {
		err = e.refusal(stageMailbox)
	}
	if box = r.Created["new"]; err == nil && box.ID == "" {
		err = s.o.failure(deliver.Unavailable, NotJMAP, stageMailbox, fmt.Errorf("%w: a mailbox without an id", errBroken))
	}
	if err != nil {
		return box, s.o.failed(err)
	}
	return box, nil
}
