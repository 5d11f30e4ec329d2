package jmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Probe walks to the mailbox as a delivery does, tells each step, and changes nothing: a
// mailbox that is missing is only reported. Steps are login, mailbox, quota and limits.
func Probe(ctx context.Context, o Options, step func(deliver.Step)) error {
	o = o.withDefaults()
	defer o.Client.Close()
	tell := deliver.Steps(step)
	s, err := discover(ctx, &o)
	if err == nil {
		err = s.writable()
	}
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
	if s.quotas {
		if err := s.quota(ctx, tell); err != nil {
			return err
		}
	}
	detail := fmt.Sprintf("%d messages in one request, %d uploads at a time", s.inSet, s.uploads)
	if s.size > 0 {
		detail = fmt.Sprintf("takes messages of up to %d octets, %s", s.size, detail)
	}
	return tell("limits", detail, nil)
}

// quota tells how full the account is (RFC 9425 section 4).
func (s *session) quota(ctx context.Context, tell func(name, detail string, err error) error) error {
	var r struct {
		List []struct {
			Resource string   `json:"resourceType"`
			Used     int64    `json:"used"`
			Hard     int64    `json:"hardLimit"`
			Types    []string `json:"types"`
		} `json:"list"`
	}
	err := s.one(ctx, "quota", "Quota/get", args{"ids": nil}, &r)
	if errors.As(err, new(*refusal)) { // it says nothing of the mailbox
		return nil
	}
	var lines []string
	full := false
	for _, q := range r.List {
		if q.Hard > 0 && (slices.Contains(q.Types, "Mail") || slices.Contains(q.Types, "Email")) {
			full = full || q.Used >= q.Hard
			lines = append(lines, fmt.Sprintf("%d of %d %s used", q.Used, q.Hard, strings.Replace(remote.Clean(q.Resource), "count", "messages", 1)))
		}
	}
	detail := strings.Join(lines, ", ")
	switch {
	case err != nil:
		return tell("quota", "", s.o.failed(err))
	case full:
		return tell("quota", "", s.o.failure(deliver.Unavailable, Quota, "quota", errors.New(detail)))
	case detail != "":
		_ = tell("quota", detail, nil)
	}
	return nil
}
