package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
	"github.com/mailhaul/mailhaul/fetch/rcfile/programs"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:        "import",
		Usage:       "convert another program's configuration, and import its seen-list",
		Description: "Convert the configuration of fetchmail, and print it:\n  mailhaul import fetchmail ~/.fetchmailrc",
		ArgsUsage:   strings.Join(programs.Names(), " | ") + " [FILE|DIRECTORY|-]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "write", Usage: "write the YAML to the configuration file, which must not exist yet"},
			&cli.StringFlag{Name: "only", Usage: "import only the account that the YAML calls `NAME`"},
			&cli.BoolFlag{Name: "state", Usage: "import the seen-list, so that nothing is fetched twice"},
			&cli.StringSliceFlag{Name: "state-file", Usage: "import the seen-list from `FILE`, not from where the program keeps it", TakesFile: true},
			&cli.BoolFlag{Name: "verify", Usage: "list the maildrops, and check that the seen-list matches them"},
			&cli.BoolFlag{Name: "force", Usage: "continue although the other program runs or its list does not match"},
		},
		Action: runImport,
	}
}

// importRun is one run of the import command.
type importRun struct {
	*call
	c      *cli.Context
	result *rcfile.Result
}

func runImport(c *cli.Context) error {
	format, err := importFormat(c)
	if err != nil {
		return err
	}
	e, err := newCall(c)
	if err != nil {
		return err
	}
	if err := e.findState(c); err != nil {
		return err
	}
	o, err := importOptions(c, e.out.In)
	if err != nil {
		return err
	}
	r := &importRun{call: e, c: c}
	if r.result, err = rcfile.Read(format, c.Args().Get(1), o); errors.Is(err, rcfile.ErrNotFound) {
		return exit.Config(advice.Give(err, advice.NameImport(c.Args().Get(0))))
	} else if err != nil {
		return importError(err)
	}
	if len(r.result.Accounts) == 0 {
		return advice.Give(exit.Setting(fmt.Errorf("no POP3 account in %s", strings.Join(r.result.Files, ", "))), advice.NoPOP3)
	}
	if takesOver(c) || c.Bool("verify") {
		return r.lists(takesOver(c))
	}
	return r.convert()
}

// takesOver reports whether the command imports seen-lists.
func takesOver(c *cli.Context) bool { return c.Bool("state") || len(c.StringSlice("state-file")) > 0 }

// importFormat returns the format that the command line names. The error is
// about the command line.
func importFormat(c *cli.Context) (rcfile.Format, error) {
	lists := takesOver(c) || c.Bool("verify")
	switch {
	case c.NArg() < 1 || c.NArg() > 2:
		return rcfile.Format{}, exit.Usagef("import wants a format (%s) and at most one file", strings.Join(programs.Names(), ", "))
	case !lists && (c.IsSet("only") || c.IsSet("force")):
		return rcfile.Format{}, exit.Usagef("--only and --force need --state or --verify: without them, import prints the whole YAML")
	case lists && c.Bool("write"):
		return rcfile.Format{}, exit.Usagef("--write conflicts with --state, --state-file and --verify: write the configuration first, and check it")
	}
	format, err := programs.Find(c.Args().Get(0))
	if err != nil {
		return format, exit.Usage(err)
	}
	return format, nil
}

// convert prints or writes the configuration.
func (r *importRun) convert() error {
	if why, busy := r.result.Format.Busy(r.result); busy {
		fmt.Fprintf(r.out.Err, "mailhaul: note: %s; stop it before you import its seen-list\n", term.Printable(why))
	}
	if r.c.Bool("write") {
		return r.write(configPath(r.c))
	}
	if err := r.writeSecrets(); err != nil {
		return err
	}
	_, err := r.out.Out.Write(r.result.YAML())
	return err
}

func importError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return exit.Usage(err)
	}
	return exit.Config(err)
}

func importOptions(c *cli.Context, in *os.File) (rcfile.Options, error) {
	secrets, err := secretDir(c)
	o := rcfile.Options{Targets: target.Rows().Kinds(), Root: os.Geteuid() == 0, LookupEnv: os.LookupEnv, SecretDir: secrets}
	if in != nil {
		o.Stdin = in
	}
	o.Home, _ = os.UserHomeDir()
	o.HomeOf = func(name string) string {
		u, err := user.Lookup(name)
		if err != nil {
			return ""
		}
		return u.HomeDir
	}
	if u, err := user.Current(); err == nil {
		o.User = u.Username
	}
	return o, err
}

// lists imports or checks the seen-lists, account by account.
func (r *importRun) lists(takeOver bool) error {
	if why, busy := r.result.Format.Busy(r.result); busy && !r.c.Bool("force") {
		return advice.Give(exit.TryLater(errors.New(why)), advice.StopProgram)
	}
	if err := r.writeSecrets(); err != nil {
		return err
	}
	conf, err := config.Parse("imported", r.result.YAML(), configOptions())
	if err != nil {
		return exit.Config(fmt.Errorf("the imported configuration is incomplete: print it, complete it, and then import its seen-list:\n%w", err))
	}
	seen, err := r.result.Seen(r.c.StringSlice("state-file")...)
	if err != nil {
		return importError(err)
	}
	chosen, err := r.only(conf.Accounts)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range chosen {
		err := r.account(r.c.Context, a, seen, takeOver)
		if err != nil {
			r.ended(a.Name, err, "")
		}
		errs = append(errs, err)
	}
	for i := range seen {
		if seen[i].Account == "" {
			fmt.Fprintf(r.out.Err, "mailhaul: note: %s:%d: a list for %s@%s belongs to no imported account and was not used\n",
				seen[i].Source, seen[i].Line, term.Printable(seen[i].User), term.Printable(seen[i].Host))
		}
	}
	return exit.Worst(errs)
}

// only picks the account that --only names.
func (r *importRun) only(accounts []*config.Account) ([]*config.Account, error) {
	name := r.c.String("only")
	if name == "" {
		return accounts, nil
	}
	var known []string
	for _, a := range accounts {
		if a.Name == name {
			return []*config.Account{a}, nil
		}
		known = append(known, a.Name)
	}
	return nil, exit.Usage(advice.Give(fmt.Errorf("--only: no account %q in the imported configuration; there is: %s", name, strings.Join(known, ", ")), advice.NameOneOfThese))
}

// account handles the lists of one account.
func (r *importRun) account(ctx context.Context, a *config.Account, seen []rcfile.SeenList, takeOver bool) error {
	var list rcfile.SeenList
	for _, l := range seen {
		if l.Account == a.Name {
			uids := append(list.UIDs, l.UIDs...)
			list = l
			list.UIDs = uids
		}
	}
	if len(list.UIDs) == 0 && takeOver && !r.c.Bool("force") {
		return advice.Give(exit.BadData(fmt.Errorf("no seen-list of this account: looked for %s", strings.Join(r.looked(), ", "))), advice.NoSeenList)
	}
	fa, err := r.call.builder.Account(a)
	if err != nil {
		return err
	}
	online := r.c.Bool("verify")
	var verdict error
	added, err := r.fetcher().TakeOver(ctx, fa, online, func(server []string) ([]fetch.SeenElsewhere, error) {
		chosen, err := r.choose(a.Name, server, list, online)
		if !takeOver {
			verdict, err = err, nil
			chosen = nil
		}
		return chosen, err
	})
	if err != nil || verdict != nil {
		return cmp.Or(err, verdict)
	}
	if takeOver {
		return r.out.Row(jsonline.TakenOver{Account: a.Name, TakenOver: added},
			term.Printable(fmt.Sprintf("%s: imported %s as seen", a.Name, term.Plural(added, "message"))))
	}
	return nil
}

// looked returns where the lists were looked for.
func (r *importRun) looked() []string {
	if files := r.c.StringSlice("state-file"); len(files) > 0 {
		return files
	}
	if files := r.result.StateFiles(); len(files) > 0 {
		return files
	}
	return []string{"nothing: the configuration names none"}
}

// choose compares the list with the server, if online, and returns what to
// record.
func (r *importRun) choose(account string, server []string, list rcfile.SeenList, online bool) ([]fetch.SeenElsewhere, error) {
	if !online {
		return r.offline(account, list), nil
	}
	m := rcfile.Match(server, list)
	d := m.Diagnose(r.result.Format.Name)
	err := r.out.Row(jsonline.Match{Account: account, Listed: len(server), Known: len(m.Known), Unknown: len(m.Unknown), OK: !d.Bad, Causes: d.Causes},
		term.Printable(account+": "+d.Summary))
	for _, cause := range d.Causes {
		if !r.out.JSON {
			fmt.Fprintf(r.out.Out, "%s:   %s\n", account, term.Printable(cause))
		}
	}
	if d.Bad && !r.c.Bool("force") {
		return nil, advice.Give(exit.BadData(errors.New("the seen-list does not match the server; nothing was imported")), advice.SeenListUnfit)
	}
	var out []fetch.SeenElsewhere
	for uid, s := range m.Known {
		out = append(out, fetch.SeenElsewhere{UID: uid, FirstSeen: s.FirstSeen})
	}
	rest, _ := exact(m.Unmatched) // a windowed list may show them again
	return append(out, rest...), err
}

// exact returns the entries whose UIDs were stored whole, and how many of all
// are not sure to be.
func exact(uids []rcfile.SeenUID) (out []fetch.SeenElsewhere, inexact int) {
	for _, s := range uids {
		if s.MessageID || s.Truncated || s.Ambiguous {
			inexact++
		}
		if !s.MessageID && !s.Truncated {
			out = append(out, fetch.SeenElsewhere{UID: s.UID, FirstSeen: s.FirstSeen})
		}
	}
	return out, inexact
}

// offline returns the exact entries; the rest needs the server's listing.
func (r *importRun) offline(account string, list rcfile.SeenList) []fetch.SeenElsewhere {
	out, inexact := exact(list.UIDs)
	if inexact > 0 {
		fmt.Fprintf(r.out.Err, "mailhaul: %s: %s did not store %d of %d entries exactly: use --verify, which compares them with the server\n",
			term.Printable(account), r.result.Format.Name, inexact, len(list.UIDs))
	}
	return out
}
