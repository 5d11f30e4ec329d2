package target

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/gmail"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func gmailRow() Row {
	return Row{
		Name: "gmail", Doc: "Gmail mailbox, by Gmail's API, a mapping",
		NoDedupe: true,
		New:      func() Target { return newGmail() },
		Recover:  map[string]deliver.RecoverFunc{gmail.Kind: deliver.GiveUp},
	}
}

// gmailHost is where Gmail's API is.
const gmailHost = "gmail.googleapis.com"

// gmailTarget is a Gmail mailbox. Its remote's Port is set.
type gmailTarget struct {
	remote config.Remote
	o      gmail.Options
}

func newGmail() *gmailTarget {
	m := &gmailTarget{remote: config.NewRemote(), o: gmail.Options{Labels: []string{"INBOX", "UNREAD"}}}
	m.remote.Server.Host = gmailHost
	return m
}

func (*gmailTarget) Kind() string { return "gmail" }

// ID names the mailbox: by its user, else by the login.
func (m *gmailTarget) ID() string {
	id := "gmail:" + m.remote.User
	if m.remote.User == "" && m.remote.OAuth != nil {
		id += m.remote.OAuth.Identity()
	}
	if m.remote.Server.Host != gmailHost || m.remote.Server.Port != 443 {
		id += "@" + m.remote.Server.Address()
	}
	return id
}

// Remote implements Remoter.
func (m *gmailTarget) Remote() *config.Remote { return &m.remote }

func (m *gmailTarget) Keys() []config.Row {
	return append(m.remote.APIKeys("address of the mailbox, which a service account needs"),
		config.On("labels", "INBOX, UNREAD",
			"labels of a message: ids of Gmail's own ones, or names, created if they are missing; `/` between levels",
			config.OneOrMore(config.Parsed("a label", gmailLabel), "a label or a list of labels"), &m.o.Labels),
		config.On("method", "import", "`import` scans and classifies as if the message had come by SMTP, `insert` stores it as it is",
			config.Choice("import insert", false, true), &m.o.Insert),
		config.On("never_mark_spam", "false", "do not let Gmail put messages into the spam folder", config.Boolean(), &m.o.NeverMarkSpam),
	)
}

func (m *gmailTarget) Check(at config.Place) {
	m.remote.CheckAPI(at)
	m.remote.Server.Port = cmp.Or(m.remote.Server.Port, 443)
	if at.Has("never_mark_spam") && m.o.Insert {
		at.Errorf("never_mark_spam", "has no use with method: insert")
	}
}

func (m *gmailTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o, err := m.options(s, nil)
	if err != nil {
		return nil, err
	}
	return gmail.New(o), nil
}

// options joins what the configuration says with the way to the server.
func (m *gmailTarget) options(s Site, secured func(*tls.ConnectionState)) (gmail.Options, error) {
	o := m.o
	var err error
	if o.Web, err = webOptions(s, &m.remote, secured); err == nil {
		err = authorize(s, &m.remote, &o.Web)
	}
	if err != nil {
		return o, err
	}
	o.Base, o.Logger, o.Claims = origin(&m.remote), s.Log, claimsPath(s, "gmail", m.ID())
	return o, nil
}

// Walk implements Walker.
func (m *gmailTarget) Walk(ctx context.Context, s Site, secured func(*tls.ConnectionState), step func(Step)) error {
	o, err := m.options(s, secured)
	if err != nil {
		return err
	}
	return gmail.Probe(ctx, o, step)
}

func (m *gmailTarget) Needs() Needs { return remoteNeeds(&m.remote) }

func (m *gmailTarget) Copies(ctx context.Context, s Site) (proof.Copies, error) {
	o, err := m.options(s, nil)
	if err != nil {
		return nil, err
	}
	return opened(gmail.Open(ctx, o))
}

func (m *gmailTarget) Value() any {
	var v config.Map
	if o := m.remote.OAuth; o != nil {
		v = v.And("oauth", o.Login)
	}
	if m.remote.User != "" {
		v = v.And("user", m.remote.User)
	}
	if !slices.Equal(m.o.Labels, newGmail().o.Labels) {
		v = v.And("labels", m.o.Labels)
	}
	return v
}

// gmailLabel refuses what no label can be called.
func gmailLabel(s string) (string, error) {
	s, err := mailboxName(s)
	switch {
	case err != nil:
		return "", errors.New("has a control character in it, or a level without a name: wants a label such as INBOX or Old/2019")
	case gmail.IsSystem(strings.ToUpper(s)):
		return strings.ToUpper(s), nil
	case strings.HasPrefix(s, "^") || strings.TrimSpace(s) != s || len(s) > 225:
		return "", errors.New("is no label for Gmail: at most 225 octets, no blank at its ends, and no ^ in front")
	}
	return s, nil
}
