package setup

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// mailbox is a target on a server with a login, and where its password is kept.
type mailbox struct {
	target.Target
	remote *config.Remote
	secret *secretPlan
	trusted
}

// mailboxOf is the first target if that is a mailbox, else nil.
func mailboxOf(list []config.Target) *mailbox {
	if len(list) == 0 {
		return nil
	}
	m, _ := list[0].(*mailbox)
	return m
}

// name is that of the mailbox.
func (m *mailbox) name() string {
	for _, pair := range m.Value().(config.Map) {
		if pair.Key == "mailbox" {
			return fmt.Sprint(pair.Value)
		}
	}
	return "INBOX"
}

// server is where the mailbox is.
func (m *mailbox) server() *server {
	r := &m.remote.Server
	return &server{imap: true, host: r.Host, port: r.Port, tls: tlsModes[r.Security]}
}

// as takes over how the server of m is connected to, if it is that of before.
func (m *mailbox) as(before *mailbox) {
	if r := &m.remote.Server; r.Address() == before.remote.Server.Address() {
		r.Security, m.trusted = before.remote.Server.Security, before.trusted
	}
}

// askMailbox asks for a mailbox as --to takes it. What was answered before is proposed.
func (s *person) askMailbox(ctx context.Context, before []config.Target) (form string, err error) {
	there := &server{imap: true}
	var at, user string
	name := "INBOX"
	if m := mailboxOf(before); m != nil {
		at, user, name = m.server().name(), m.remote.User, m.name()
	}
	for {
		host, err := s.Line(ctx, "IMAP server (host or host:port)", at, "--to")
		if err != nil {
			return "", err
		}
		if err = there.set(host, ""); err == nil {
			break
		}
		s.say("%s: %v (such as imap.example.org)", term.Printable(host), err)
	}
	if user, err = s.Line(ctx, "User name there", user, "--to"); err != nil {
		return "", err
	}
	name, err = s.Line(ctx, "Mailbox", name, "--to")
	scheme := map[string]string{"implicit": "imaps", "stls": "imap"}[there.tls]
	user = strings.ReplaceAll(url.QueryEscape(user), "+", "%20")
	return scheme + "://" + user + "@" + there.name() + "/" + (&url.URL{Path: name}).EscapedPath(), err
}

// withSecrets settles where the passwords of targets are kept. Who answers no
// questions and gives none is asked for it at each run.
func (s *person) withSecrets(ctx context.Context, account string, list []config.Target) ([]config.Target, error) {
	for i, t := range list {
		r, ok := t.(target.Remoter)
		if !ok || r.Remote().User == "" {
			continue
		}
		o := *s.o
		o.PasswordFile, o.Keyring, o.PasswordCommand, o.Password = "", false, o.ToPasswordCommand, o.ToPassword
		l := &loginStage{person: &person{s.Dialogue, s.out, &o}, account: account + "-target"}
		l.server = &server{host: r.Remote().Server.Host, user: r.Remote().User}
		if !s.Mute || l.passwordGiven() {
			s.say("The password of %s at %s, where the mail goes:", term.Printable(l.user), term.Printable(l.host))
			if err := l.askPassword(ctx); err != nil {
				return nil, err
			}
		}
		list[i] = &mailbox{Target: t.(target.Target), remote: r.Remote(), secret: &l.secret}
	}
	return list, nil
}

// where is the key of the password in the configuration; nil: none. A file that is
// yet to be made may not be named in one that is read.
func (p *secretPlan) where(settled bool) config.Map {
	if !settled && p.keep != nil {
		return nil
	}
	return p.place
}

// plans are those for the passwords of the account and of its targets.
func (s *draft) plans() []*secretPlan {
	list := []*secretPlan{&s.secret}
	for _, t := range s.to {
		if m, ok := t.(*mailbox); ok {
			list = append(list, m.secret)
		}
	}
	return list
}

// keepSecrets keeps all passwords, or none.
func (s *draft) keepSecrets() error {
	for i, p := range s.plans() {
		if p.keep == nil {
			continue
		}
		if err := p.keep(); err != nil {
			for _, before := range s.plans()[:i] {
				before.forget()
			}
			return exit.CannotWrite(err)
		}
	}
	return nil
}

// forget takes back what keep did.
func (p *secretPlan) forget() {
	if p.keep != nil && p.undo != nil {
		p.undo()
	}
}

// entry is a target as it will stand in the configuration.
func entry(t config.Target, settled bool) config.Map {
	m, ok := t.(*mailbox)
	if !ok {
		return target.Entry(t)
	}
	v := m.trusted.and(m.Value().(config.Map))
	if place := m.secret.where(settled); place != nil {
		v = v.And("password", place)
	}
	return config.Pair(m.Kind(), v)
}
