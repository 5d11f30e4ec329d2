package rcfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Placeholders stand for what the other program's file does not say, in an
// account that is disabled. RFC 2606 keeps the domain from ever existing.
const (
	noHost = "fill-in.invalid"
	noUser = "fill-in"
)

// disable disables an account and notes the first reason.
func disable(a *Account, why string) {
	if a.Enabled {
		a.Change(a.Start, "is not enabled: "+why)
	}
	a.Enabled = false
}

// settle has package config parse what YAML will print. It removes from an
// account what config refuses, notes the reason, and disables the account.
func (r *Result) settle() error {
	for _, a := range r.Accounts {
		r.judge(a)
	}
	r.oneMaildropEach()
	if len(r.Accounts) == 0 {
		return nil
	}
	if _, err := r.parse(r.Accounts...); err != nil {
		return fmt.Errorf("%s: this cannot be written as a configuration: %w", strings.Join(r.Files, ", "), err)
	}
	return nil
}

// parse has config read the accounts. They are disabled for it, so that it does
// not look for files: secrets are written later.
func (r *Result) parse(accounts ...*Account) (*config.Config, error) {
	copies := make([]*Account, len(accounts))
	for i, a := range accounts {
		c := *a
		c.Enabled, c.Notes = false, nil
		copies[i] = &c
	}
	text := (&Result{Format: r.Format, Accounts: copies}).YAML()
	home := r.Options.Home
	if !filepath.IsAbs(home) {
		home = "/"
	}
	return config.Parse(filepath.Join(home, "config.yaml"), text, config.Options{Targets: r.Options.Targets, LookupEnv: func(name string) (string, bool) {
		return home, name == "HOME"
	}})
}

// judge makes the account one that config accepts. Each round removes one
// refused key; if that does not do, only the name and a Maildir remain.
func (r *Result) judge(a *Account) {
	for range len(a.keys) + len(a.Targets) + 1 {
		_, err := r.parse(a)
		if err == nil {
			return
		}
		if !r.takeOut(a, err) {
			a.Drop(a.Start, refusal(err))
			disable(a, "only its name could be carried over")
			a.keys, a.Targets, a.Insecure, a.Security = nil, ownMaildir(a), false, pop3.ImplicitTLS
			a.Host, a.User, a.Port = noHost, noUser, 995
		}
	}
}

// takeOut removes the key or target that config refuses.
func (r *Result) takeOut(a *Account, err error) bool {
	var mistakes config.Errors
	if !errors.As(err, &mistakes) {
		return false
	}
	path := strings.TrimPrefix(mistakes[0].Path, "accounts."+a.Name+".")
	key := path[:strings.IndexAny(path+".", ".[")]
	i := -1
	_, _ = fmt.Sscanf(path, "deliver[%d]", &i)
	switch {
	case i >= 0 && i < len(a.Targets):
		if a.Targets = slices.Delete(slices.Clone(a.Targets), i, i+1); len(a.Targets) == 0 {
			a.Targets = ownMaildir(a)
		}
	case key == "server" && a.Host != noHost:
		a.Host = noHost
	case !a.Has(key):
		return false
	}
	a.Unset(key)
	a.Drop(a.Start.As(key), refusal(err))
	disable(a, "look at "+key)
	return true
}

// refusal is the first thing that config says.
func refusal(err error) string {
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		return mistakes[0].Message
	}
	return err.Error()
}

func ownMaildir(a *Account) []config.Map {
	return []config.Map{config.Pair("maildir", "~/Mail/"+a.Name)}
}

// oneMaildropEach leaves one account of those that say the same, and one that
// is enabled of those that fetch the same maildrop in different ways: two would
// fetch each message twice, or take it from each other.
func (r *Result) oneMaildropEach() {
	owners, said := map[string]*Account{}, map[string]*Account{}
	for _, enabled := range []bool{true, false} {
		for _, a := range r.Accounts {
			if id := r.id(a); a.Enabled == enabled && owners[id] == nil {
				owners[id] = a
			}
		}
	}
	r.Accounts = slices.DeleteFunc(r.Accounts, func(a *Account) bool {
		id := r.id(a)
		key := fmt.Sprint(id, a.Enabled, a.says())
		if first := said[key]; first != nil {
			r.Note(Changed, a.Start.As("account "+a.Start.Name), "is identical to "+first.Name+": it is imported once")
			return true
		}
		if said[key] = a; owners[id] != a {
			ownID(a, owners[id], owners)
		}
		r.Secrets = append(r.Secrets, a.secrets...)
		return false
	})
}

// ownID gives the account an id that is not taken, because the owner has its
// maildrop.
func ownID(a, owner *Account, taken map[string]*Account) {
	id := a.Name
	for n := 2; taken[id] != nil; n++ {
		id = fmt.Sprintf("%s-%d", a.Name, n)
	}
	taken[id] = a
	a.Set("id", id)
	if !a.Enabled {
		a.Change(a.Start, "is the same maildrop as "+owner.Name+", so it has its own id")
	}
	disable(a, "it is the same maildrop as "+owner.Name+", with other options: move what it adds to that account and delete this one")
}

// id is what config calls the account's maildrop.
func (r *Result) id(a *Account) string {
	c, err := r.parse(a)
	if err != nil {
		return ""
	}
	return c.Accounts[0].ID
}

// says is what an account prints, with its secrets in place of their files.
func (a *Account) says() string {
	text := string(config.Encode(a.all(), 0))
	for _, s := range a.secrets {
		name := filepath.Base(s.Path)
		text = strings.ReplaceAll(text, name, strings.TrimPrefix(name, a.Name)+" "+s.Value)
	}
	return text
}
