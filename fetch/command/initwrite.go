package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// plainScalar is text that YAML reads as itself.
var plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/_.@+-]*$|^~/[A-Za-z0-9/_.@+-]*$`)

// scalar writes a string in YAML: plain if that is safe, else in quotes, where
// Go's escapes are YAML's too.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return `"` + s + `"`
	}
	if plainScalar.MatchString(s) {
		return s
	}
	b := &strings.Builder{}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// pathScalar writes a path: below the home directory with ~, and with a dollar
// sign doubled, since variables are expanded.
func pathScalar(path string) string {
	if home, err := os.UserHomeDir(); err == nil {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			path = "~/" + filepath.ToSlash(rest)
		}
	}
	return scalar(strings.ReplaceAll(path, "$", "$$"))
}

// block is the account as it will stand in the configuration.
func (s *setup) block() string { return s.blockWith(s.secret.line) }

// draft is the block as long as the password is kept nowhere: a configuration
// may name only files that exist.
func (s *setup) draft() string {
	if s.secret.keep != nil {
		return s.blockWith("")
	}
	return s.block()
}

func (s *setup) blockWith(password string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "  %s:\n    server: %s\n", scalar(s.name), scalar(s.server()))
	if s.tls != "implicit" {
		fmt.Fprintf(b, "    tls: %s\n", s.tls)
	}
	if s.caFile != "" {
		fmt.Fprintf(b, "    ca_file: %s\n", pathScalar(s.caFile))
	}
	fmt.Fprintf(b, "    user: %s\n", scalar(s.user))
	switch {
	case s.oauth != "":
		b.WriteString(s.oauth)
	case password != "":
		fmt.Fprintf(b, "    password: %s\n", password)
	default:
		b.WriteString("    # no password here: it is asked for at each run\n")
	}
	if s.known.Config != "" {
		fmt.Fprintf(b, "    %s\n", s.known.Config)
	}
	b.WriteString("    keep: all                # nothing is deleted from the server; none: what is delivered is\n")
	b.WriteString("    deliver:\n")
	for _, t := range s.to {
		fmt.Fprintf(b, "      - %s\n", targetLine(t))
	}
	return b.String()
}

// targetLine writes a target of the command line.
func targetLine(t config.Target) string {
	switch t.Kind {
	case config.TargetMaildir:
		return "maildir: " + pathScalar(t.Maildir.Path)
	case config.TargetMbox:
		return "mbox: " + pathScalar(t.Mbox.Path)
	case config.TargetPipe:
		return "pipe: " + commandLine(t.Pipe.Command)
	}
	r, kind := t.Relay, "smtp"
	if t.Kind == config.TargetLMTP {
		kind = "lmtp"
	}
	server := scalar(r.Server.String())
	if r.Server.Socket != "" {
		server = pathScalar(r.Server.Socket)
	}
	line := fmt.Sprintf("%s: {server: %s, to: [%s]", kind, server, scalar(strings.Join(r.To, ", ")))
	if len(r.To) > 1 {
		quoted := make([]string, len(r.To))
		for i, to := range r.To {
			quoted[i] = scalar(to)
		}
		line = fmt.Sprintf("%s: {server: %s, to: [%s]", kind, server, strings.Join(quoted, ", "))
	}
	if r.Server.Socket == "" {
		line += ", tls: " + r.TLS.String()
	}
	if r.From != "" {
		line += ", from: " + scalar(r.From)
	}
	if r.Insecure {
		line += ", insecure: true"
	}
	return line + "}"
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

// account reads the text of this run as a configuration, and returns its
// account.
func (s *setup) account() (*config.Account, error) {
	conf, err := config.Parse(s.path, []byte(newFile(s.draft())), configOptions())
	if err != nil {
		return nil, configError{err}
	}
	a := conf.Accounts[0]
	if s.secret.value != "" {
		a.Password = config.PlainSecret(s.secret.value)
	}
	return a, nil
}

// write puts the account into a new configuration, or at the end of the one
// that is there if it is understood as meant; else the text is shown.
func (s *setup) write(ctx context.Context) (bool, error) {
	if _, err := s.account(); err != nil {
		return false, err
	}
	text := newFile(s.block())
	if s.old != nil {
		var err error
		if text, err = s.appended(); err != nil && (s.mute || s.quiet) {
			return false, s.byHand(err)
		} else if err != nil {
			s.say("\n%s\nAdd this under accounts: in %s by hand:\n\n%s", printable(err.Error()), s.path, s.block())
			return s.keepSecret()
		}
	}
	s.say("\n%s", s.block())
	switch ok, err := s.yes(ctx, "Write this to "+s.path+"?"); {
	case err != nil:
		return false, err
	case !ok:
		return false, &fetch.Error{Exit: fetch.ExitInterrupted, Err: errors.New("stopped at your wish")}
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	if ok, err := s.keepSecret(); err != nil {
		return ok, err
	}
	if err := s.put(text); err != nil {
		if s.secret.undo != nil && s.secret.keep != nil {
			s.secret.undo()
		}
		return false, &fetch.Error{Exit: fetch.ExitCannotWrite, Err: err, Hint: "name another file with --config FILE"}
	}
	s.say("%s written.", s.path)
	return true, nil
}

// byHand is for who is not there to add the account: nothing is kept, not the
// password either, and that is a failure.
func (s *setup) byHand(why error) error {
	fmt.Fprintf(s.std.Err, "%s\n", s.block())
	hint := "add the account above under accounts: in " + s.path + " by hand"
	if s.secret.keep != nil {
		hint += ", and keep the password where it says"
	}
	return &fetch.Error{Exit: fetch.ExitCannotWrite, Err: errors.New(why.Error()), Hint: hint} // not a mistake in the configuration
}

func (s *setup) keepSecret() (bool, error) {
	if s.secret.keep == nil {
		return true, nil
	}
	if err := s.secret.keep(); err != nil {
		return false, &fetch.Error{Exit: fetch.ExitCannotWrite, Err: err, Hint: fetch.HintOf(err)}
	}
	return true, nil
}

// appended is the old configuration with the account at its end. It is taken
// only if it then holds the old accounts and this one.
func (s *setup) appended() (string, error) {
	old, err := os.ReadFile(s.path)
	if err != nil {
		return "", err
	}
	before := strings.TrimRight(string(old), "\n") + "\n\n"
	conf, err := config.Parse(s.path, []byte(before+s.draft()), configOptions())
	if err != nil {
		return "", fmt.Errorf("the account cannot be added at the end: %w", err)
	}
	names := func(c *config.Config) (list []string) {
		for _, a := range c.Accounts {
			list = append(list, a.Name)
		}
		return list
	}
	if !slices.Equal(names(conf), append(names(s.old), s.name)) {
		return "", errors.New("the file does not end with its accounts")
	}
	return before + s.block(), nil
}

// put writes the configuration in one step: a crash leaves the old one or the
// new one, and a new one never replaces a file that came in between.
func (s *setup) put(text string) error {
	if s.old != nil {
		path, err := filepath.EvalSymlinks(s.path)
		if err != nil {
			return err
		}
		return durable.WriteFile(path, []byte(text))
	}
	if err := durable.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	part := s.path + ".part"
	if err := durable.WriteFile(part, []byte(text)); err != nil {
		return err
	}
	defer os.Remove(part)
	// A link, since not every system has a rename that never replaces.
	switch err := os.Link(part, s.path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: exists now; it is left as it is", s.path)
	case err != nil: // a file system without links
		if err := durable.RenameNew(part, s.path); err != nil {
			return err
		}
	}
	return durable.SyncDir(filepath.Dir(s.path))
}
