package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// draft is the account as it will stand in the configuration.
type draft struct {
	*server
	*login
	account string
	to      []config.Target
	trusted
}

// block is the account as it will stand in the configuration. If it is not settled,
// passwords are kept nowhere yet: a configuration may name only files that exist.
func (s *draft) block(settled bool) string {
	password := s.secret.where(settled)
	m := config.Pair("server", s.server.name())
	if s.tls != "implicit" {
		m = m.And("tls", config.Word(s.tls))
	}
	m = s.trusted.and(m).And("user", s.user)
	switch {
	case s.oauth != nil:
		m = m.And("oauth", s.oauth)
	case password != nil:
		m = m.And("password", password)
	default:
		m = append(m, config.Entry{Comment: "no password here: it is asked for at each run"})
	}
	if key, value, ok := strings.Cut(s.known.Config, ": "); ok {
		m = m.And(key, config.Word(value))
	}
	m = append(m, config.Entry{Key: "keep", Value: config.Word("all"),
		Comment: "delete nothing from the server; with none: delete what was delivered"})
	var targets []config.Map
	for _, t := range s.to {
		targets = append(targets, entry(t, settled))
	}
	return string(config.Encode(config.Pair(s.account, m.And("deliver", targets)), 1))
}

// newFile is a whole configuration for a first account.
func newFile(block string) string {
	return `# The configuration of mailhaul: mailhaul.yaml(5) has every key.
# After a change: mailhaul check

# parallel: 4              # accounts at a time

# defaults:                # any key of an account, for all accounts
#   timeout: 60s

accounts:
` + block + `    # keep: {days: 30}       # delete from the server what was fetched 30 days ago
    # max_size: 100MiB       # larger messages stay on the server and are reported
    # every: 15m             # how often, for mailhaul loop; cron needs no line here
`
}

// parsed reads the text of this run as a configuration, and returns its
// account.
func (s *draft) parsed(o *Options) (*config.Account, error) {
	conf, err := config.Parse(o.Path, []byte(newFile(s.block(false))), o.Config)
	if err != nil {
		return nil, exit.Config(err)
	}
	a := conf.Accounts[0]
	if s.secret.value != "" {
		a.Password = config.PlainSecret(s.secret.value)
	}
	for i, t := range s.to {
		if m, ok := t.(*mailbox); ok && m.secret.value != "" {
			a.Deliver[i].(target.Remoter).Remote().Password = config.PlainSecret(m.secret.value)
		}
	}
	return a, nil
}

// writer puts a draft into the configuration.
type writer struct {
	*person
	*draft
}

// write puts the account into a new configuration, or at the end of the one
// that is there if it is understood as meant; else the text is shown.
func (s *writer) write(ctx context.Context) (bool, error) {
	if _, err := s.parsed(s.o); err != nil {
		return false, err
	}
	text := newFile(s.block(true))
	if s.o.Old != nil {
		var err error
		if text, err = s.appended(); err != nil && (s.Mute || s.out.Quiet) {
			return false, s.byHand(err)
		} else if err != nil {
			s.say("\n%s\nAdd this under accounts: in %s by hand:\n\n%s", term.Printable(err.Error()), s.o.Path, s.block(true))
			err = s.keepSecrets()
			return err == nil, err
		}
	}
	s.say("\n%s", s.block(true))
	switch ok, err := s.Yes(ctx, "Write this to "+s.o.Path+"?"); {
	case err != nil:
		return false, err
	case !ok:
		return false, errNo
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	if err := s.keepSecrets(); err != nil {
		return false, err
	}
	if err := s.put(text); err != nil {
		for _, p := range s.plans() {
			p.forget()
		}
		return false, CannotWrite(err, advice.OtherConfig)
	}
	s.say("%s written.", s.o.Path)
	return true, nil
}

// byHand is for who is not there to add the account: nothing is kept, not the
// password either, and that is a failure.
func (s *writer) byHand(why error) error {
	fmt.Fprintf(s.out.Err, "%s\n", s.block(true))
	return CannotWrite(errors.New(why.Error()), advice.ByHand(s.o.Path, s.secret.keep != nil)) // not a mistake in the configuration
}

// appended is the old configuration with the account at its end. It is taken
// only if it then holds the old accounts and this one.
func (s *writer) appended() (string, error) {
	old, err := os.ReadFile(s.o.Path)
	if err != nil {
		return "", err
	}
	before := strings.TrimRight(string(old), "\n") + "\n\n"
	conf, err := config.Parse(s.o.Path, []byte(before+s.block(false)), s.o.Config)
	if err != nil {
		return "", fmt.Errorf("the account cannot be added at the end: %w", err)
	}
	names := func(c *config.Config) (list []string) {
		for _, a := range c.Accounts {
			list = append(list, a.Name)
		}
		return list
	}
	if !slices.Equal(names(conf), append(names(s.o.Old), s.account)) {
		return "", errors.New("the file does not end with its accounts")
	}
	return before + s.block(true), nil
}

// put writes the configuration in one step: a crash leaves the old one or the
// new one, and a new one never replaces a file that came in between.
func (s *writer) put(text string) error {
	if s.o.Old != nil {
		path, err := filepath.EvalSymlinks(s.o.Path)
		if err != nil {
			return err
		}
		return durable.WriteFile(path, []byte(text))
	}
	return WriteNew(s.o.Path, []byte(text))
}

// WriteNew writes a configuration that must not exist yet, in one step.
func WriteNew(name string, text []byte) error {
	if err := durable.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	err := durable.WriteNew(name, text)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: exists now; it is left as it is", name)
	}
	return err
}

// CannotWrite is an error with exit code 73, and with text unless it has its own.
func CannotWrite(err error, text string) error {
	if !errors.As(err, new(*advice.Error)) {
		err = advice.Give(err, text)
	}
	return exit.CannotWrite(err)
}
