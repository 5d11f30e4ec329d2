package jmap

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Probe walks to the mailbox as a delivery does, tells each step, and changes nothing: a
// mailbox that is missing is only reported. Steps are login, mailbox or limits.
func Probe(ctx context.Context, o Options, step func(deliver.Step)) error {
	o = o.withDefaults()
	defer o.Client.Close()
	tell := deliver.Steps(step)
	s, err := discover(ctx, &o)
	if err != nil {
		return tell("login", "", err)
	}
	_ = tell("login", "JMAP account "+remote.Clean(s.account), nil)
	boxes, err := s.mailboxes(ctx)
	if err != nil {
		return tell("mailbox", "", o.failed(err))
	}
	switch box, missing := find(boxes, o.Mailbox); {
	case len(missing) > 0 && strings.EqualFold(o.Mailbox, "inbox"):
		_, err = s.create(ctx, o.Mailbox, "") // which it does not do
		return tell("mailbox", "", err)
	case len(missing) > 0:
		_ = tell("mailbox", o.Mailbox+" does not exist: it will be created", nil)
	case box.Rights.Add != nil && !*box.Rights.Add:
		return tell("mailbox", "", o.noRight())
	default:
		_ = tell("mailbox", path(boxes, box.ID)+" exists", nil)
	}
	detail := fmt.Sprintf("%d messages in one request, %d uploads at a time", s.inSet, s.uploads)
	if s.size > 0 {
		detail = fmt.Sprintf("takes messages of up to %d octets, %s", s.size, detail)
	}
	return tell("limits", detail, nil)
}
