package setup

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// targets asks where the mail should go; what was answered before is proposed, or
// what is on this machine.
func (s *person) targets(ctx context.Context, account string, before ...config.Target) ([]config.Target, error) {
	forms, made, err := s.forms(ctx, account, before)
	if err != nil || made != nil {
		return []config.Target{made}, err
	}
	list, err := parseTargets(forms)
	if err != nil {
		return nil, err
	}
	return s.withSecrets(ctx, account, list)
}

// forms are the targets as --to takes them, or the one that was made.
func (s *person) forms(ctx context.Context, account string, before []config.Target) (forms []string, made config.Target, err error) {
	if list := s.o.To; len(list) > 0 {
		return list, nil, nil
	}
	proposals := s.proposals(ctx, account)
	list := append(slices.Clip(proposals), "another mailbox (IMAP)", "somewhere else")
	if s.Mute {
		return proposals[:1], nil, nil
	}
	first := len(list)
	for _, h := range hosts() {
		list = append(list, h.words)
	}
	n, former := former(proposals, before)
	n, err = s.ChooseFrom(ctx, "Where should the mail go?", list, n)
	switch {
	case err != nil:
		return nil, nil, err
	case n >= first:
		made, err = s.askHosted(ctx, account, hosts()[n-first])
		return nil, made, err
	case n < len(proposals):
		return proposals[n : n+1], nil, nil
	}
	form, err := s.askForm(ctx, n > len(proposals), former, before)
	return []string{form}, nil, err
}

// askForm asks for a target as --to takes it: a mailbox, or other.
func (s *person) askForm(ctx context.Context, other bool, former string, before []config.Target) (string, error) {
	if other {
		s.say("The path of a Maildir, or %s", target.Rows().Forms())
	}
	for {
		var form string
		var err error
		if other {
			form, err = s.Line(ctx, "Target", former, "--to")
		} else {
			form, err = s.askMailbox(ctx, before)
		}
		if err != nil {
			return "", err
		}
		if _, err = parseTarget(form); err == nil {
			return form, nil
		}
		s.say("%s", term.Printable(err.Error()))
	}
}

// former is the choice that led to the first of the targets that were answered before, and
// how --to takes it, if that is known: the proposals, another mailbox, somewhere else.
func former(proposals []string, before []config.Target) (n int, form string) {
	if len(before) == 0 {
		return 0, ""
	}
	if mailboxOf(before) != nil {
		return len(proposals), ""
	}
	if h, ok := before[0].(*hosted); ok {
		return len(proposals) + 2 + slices.IndexFunc(hosts(), func(o host) bool { return o.kind == h.Kind() }), ""
	}
	id := before[0].ID()
	same := func(form string) bool {
		t, err := parseTarget(form)
		return err == nil && t.ID() == id
	}
	if n = slices.IndexFunc(proposals, same); n >= 0 {
		return n, ""
	}
	if same(id) {
		form = id
	}
	return len(proposals) + 1, form
}

func parseTargets(forms []string) (list []config.Target, err error) {
	for _, form := range forms {
		t, err := parseTarget(form)
		if err != nil {
			return nil, exit.Usagef("--to %s: %w", form, err)
		}
		list = append(list, t)
	}
	return list, nil
}

// parseTarget reads what --to takes, or the path of a Maildir alone.
func parseTarget(form string) (config.Target, error) {
	rows := target.Rows()
	if strings.Contains(form, ":") || slices.ContainsFunc(rows, func(r target.Row) bool { return r.Name == form }) {
		return rows.Parse(form, config.URLOptions{})
	}
	path, err := config.Absolute(form)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		return nil, errors.New("is a file and no Maildir: write mbox:" + form + " if it is an mbox")
	}
	return target.Maildir(path), nil
}

// proposals are targets that fit this machine, the likeliest first.
func (s *person) proposals(ctx context.Context, account string) (list []string) {
	home, _ := os.UserHomeDir()
	m := target.Machine{Home: home, Relay: s.o.Relay}
	for _, r := range target.Rows() {
		if r.Propose != nil {
			list = append(list, r.Propose(ctx, m, account)...)
		}
	}
	return list
}
