package setup

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// hosted is a mailbox of a provider with an interface of its own, and its mapping as it
// will stand in the configuration.
type hosted struct {
	target.Target
	value config.Map
}

// Value implements target.Target.
func (h *hosted) Value() any { return h.value }

// wantsLogin reports whether a person has to log in with OAuth2.
func (h *hosted) wantsLogin() bool {
	r, ok := h.Target.(target.Remoter)
	return ok && r.Remote().OAuth != nil
}

// host is a provider that a person can choose, and what is asked for its mapping.
type host struct {
	kind, words string
	ask         func(*person, context.Context) (config.Map, error)
}

// hosts are those whose kind of target there is.
func hosts() []host {
	list := []host{
		{"gmail", "Gmail, with spam filter and labels (you need a registration of your own, docs/gmail.md)", (*person).askGmail},
		{"jmap", "Fastmail (you need an API token, docs/fastmail.md)", (*person).askFastmail},
	}
	return slices.DeleteFunc(list, func(h host) bool {
		return !slices.ContainsFunc(target.Rows(), func(r target.Row) bool { return r.Name == h.kind })
	})
}

// askHosted asks until the configuration could be read with the answers.
func (s *person) askHosted(ctx context.Context, account string, h host) (config.Target, error) {
	for {
		value, err := h.ask(s, ctx)
		if err != nil {
			return nil, err
		}
		a := config.Pair("server", "localhost").And("user", "x").And("password", config.Pair("env", "X")).
			And("deliver", []config.Map{config.Pair(h.kind, value)})
		conf, err := config.Parse(s.o.Path, config.Encode(config.Pair("accounts", config.Pair(account, a)), 0), s.o.Config)
		if err == nil {
			return &hosted{conf.Accounts[0].Deliver[0].(target.Target), value}, nil
		}
		errs, _ := errors.AsType[config.Errors](err)
		for _, e := range errs {
			s.say("%s: %s", strings.TrimPrefix(e.Path, "accounts."+account+".deliver[0]."), term.Printable(e.Message))
		}
	}
}

func (s *person) askGmail(ctx context.Context) (config.Map, error) {
	for _, n := range provider.OfPreset("google").OAuth.Notes {
		s.say("  - %s", n)
	}
	id, err := s.Line(ctx, "Client id of your registration", s.o.ClientID, "--client-id")
	if err != nil {
		return nil, err
	}
	file, err := s.fileOf(ctx, "File with its client secret", s.o.ClientSecretFile, "--client-secret-file")
	return config.Pair("oauth", config.Pair("provider", "google").And("client_id", id).And("client_secret", file)), err
}

func (s *person) askFastmail(ctx context.Context) (config.Map, error) {
	server, err := s.Line(ctx, "JMAP server", "api.fastmail.com", "--to")
	if err != nil {
		return nil, err
	}
	file, err := s.fileOf(ctx, "File with the API token", "", "--to")
	return config.Pair("server", server).And("token", file), err
}

// fileOf asks for the file that holds a secret.
func (s *person) fileOf(ctx context.Context, question, proposal, option string) (config.Map, error) {
	name, err := s.Line(ctx, question, proposal, option)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "~/") {
		name, err = filepath.Abs(name)
	}
	return config.Pair("file", config.PathText(name)), err
}
