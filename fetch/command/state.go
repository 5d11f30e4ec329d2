package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

func stateCommand() *cli.Command {
	wait := waitFlag()
	sub := func(name, args, usage, example string, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, ArgsUsage: args, Usage: usage, Description: example, Action: action,
			Flags: append(flags, wait)}
	}
	return &cli.Command{
		Name:        "state",
		Usage:       "show and change the list of seen messages",
		Description: "List the messages of the account work that mailhaul knows:\n  mailhaul state ls work",
		Subcommands: []*cli.Command{
			sub("ls", "ACCOUNT", "list all entries, one a line", "List the messages of the account work as JSON:\n  mailhaul state ls work --json", stateLs),
			sub("show", "ACCOUNT [UID...]", "show the account's state, or single entries in full", "Show the state of the account work:\n  mailhaul state show work", stateShow),
			sub("forget", "ACCOUNT UID...", "forget entries, so that their messages are fetched again", "Fetch the message with this unique-id again:\n  mailhaul state forget work 0000001a4d61696c", stateForget,
				&cli.BoolFlag{Name: "all", Usage: "forget every entry"}),
			sub("mark-seen", "ACCOUNT [UID...]", "mark messages on the server as seen without fetching them", "Fetch only mail that arrives from now on:\n  mailhaul state mark-seen work --all", stateMarkSeen,
				&cli.BoolFlag{Name: "all", Usage: "mark all messages that are on the server now"},
				&cli.StringFlag{Name: "before", Usage: "mark messages received before `DATE`, such as 2026-01-31"},
				&cli.IntFlag{Name: "all-but-newest", Usage: "mark all but the newest `N` messages", Value: -1, DefaultText: "not used"}),
			sub("export", "ACCOUNT", "print all entries as JSON lines", "Save the state of the account work:\n  mailhaul state export work >work.jsonl", stateExport,
				&cli.BoolFlag{Name: "manifest", Usage: "print the manifest of all delivered messages instead, a chain of hashes"},
				&cli.BoolFlag{Name: "salvage", Usage: "print the entries of a damaged state file that can be read, with what verify found of their copies"}),
			sub("import", "ACCOUNT [FILE]", "add the entries that export printed, or lines such as {\"uid\":\"...\"}", "Add the entries that export saved:\n  mailhaul state import work work.jsonl", stateImport),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return exit.Usagef("no command %q: state has ls, show, forget, mark-seen, export, import", c.Args().First())
			}
			return exit.Usagef("state wants one of ls, show, forget, mark-seen, export, import")
		},
	}
}

// open opens the state of the account that is the first argument.
func openState(c *cli.Context, readOnly bool) (*call, *config.Account, *state.DB, error) {
	e, a, err := stateAccount(c)
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := state.Open(state.Path(e.builder.StateDir, a.ID), state.Options{ReadOnly: readOnly, Wait: c.Duration("wait")})
	return e, a, db, stateProblem(a, err)
}

// stateAccount returns the account that is the first argument.
func stateAccount(c *cli.Context) (*call, *config.Account, error) {
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	if !c.Args().Present() {
		return nil, nil, exit.Usage(advice.Give(errors.New("name an account"), advice.ListAccounts))
	}
	a, err := e.oneAccount(c.Args().Slice()[:1])
	return e, a, err
}

// stateProblem says why the state of an account cannot be opened.
func stateProblem(a *config.Account, err error) error {
	switch {
	case errors.Is(err, state.ErrLocked):
		return exit.InUse(fmt.Errorf("%s: another run is working on this maildrop", a.Name))
	case errors.Is(err, fs.ErrNotExist):
		return advice.Give(exit.CannotWrite(fmt.Errorf("%s: nothing is known yet: no run has been made", a.Name)), advice.FetchFirst(a.Name))
	case err != nil:
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

// viewState runs fn on a snapshot of the account's state.
func viewState(c *cli.Context, fn func(e *call, a *config.Account, v *state.View) error) error {
	e, a, db, err := openState(c, true)
	if err != nil {
		return err
	}
	defer db.Close()
	var failed error // not the state's: View would put the file's name before it
	err = db.View(func(v *state.View) error {
		failed = fn(e, a, v)
		return nil
	})
	if err != nil { // damage, whatever fn made of it
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return failed
}

func stateLs(c *cli.Context) error {
	return viewState(c, func(e *call, _ *config.Account, v *state.View) error {
		if e.out.JSON {
			return v.Export(e.out.Out)
		}
		w := term.Columns(e.out.Out)
		fmt.Fprintln(w, "UID\tSIZE\tFIRST SEEN\tSTATE")
		for k, r := range v.Records() {
			en := v.Entry(k, r)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", uidText(en.Key), term.Size(en.Size), term.Stamp(en.FirstSeen), entryState(&en))
		}
		return w.Flush()
	})
}

// uidText is a key for people.
func uidText(k state.Key) string {
	if k.Nth() > 0 {
		return fmt.Sprintf("%s (no. %d)", term.Printable(k.UID()), k.Nth()+1)
	}
	return term.Printable(k.UID())
}

// entryState says in words where a message is.
func entryState(e *state.Entry) string {
	words := []string{e.Source.String()}
	if !e.Done {
		words = append(words, "incomplete")
	}
	for _, o := range e.Outcomes {
		switch o.Status {
		case state.Delivered:
		case state.Quarantined: // the export has another word
			words = append(words, "quarantined")
		default:
			words = append(words, o.Status.String())
		}
	}
	if !e.Verified.IsZero() {
		words = append(words, "verified")
	}
	if !e.Deleted.IsZero() {
		words = append(words, "deleted")
	}
	if e.Asked {
		words = append(words, "deletion not confirmed")
	}
	return strings.Join(words, ", ")
}

func stateForget(c *cli.Context) error {
	uids := c.Args().Tail()
	if (len(uids) > 0) == c.Bool("all") {
		return exit.Usagef("name the UIDs to forget, or --all")
	}
	e, a, db, err := openState(c, false)
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := keysOf(a, db, uids)
	if err != nil {
		return err
	}
	if err := db.Apply(&state.Change{Forget: keys}); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return e.out.Row(jsonline.Forgotten{Account: a.Name, Forgotten: len(keys)},
		fmt.Sprintf("%s: %s forgotten; what of it is on the server is fetched again", a.Name, term.Plural(len(keys), "entry")))
}

// keysOf returns the keys of the UIDs, all of them without any, and fails if
// one of them is unknown.
func keysOf(a *config.Account, db *state.DB, uids []string) ([]state.Key, error) {
	var keys []state.Key
	var failed error
	err := db.View(func(v *state.View) error {
		if len(uids) == 0 {
			for k := range v.Records() {
				keys = append(keys, state.Key(k))
			}
			return nil
		}
		for _, uid := range uids {
			n := len(keys)
			for nth := 0; ; nth++ {
				k := state.NewKey(uid, nth)
				if _, ok := v.Get(k); !ok {
					break
				}
				keys = append(keys, k)
			}
			if len(keys) == n {
				failed = advice.Give(exit.BadData(fmt.Errorf("%s: no entry %q; nothing was forgotten", a.Name, uid)), advice.ListEntries(a.Name))
			}
		}
		return nil
	})
	return keys, cmp.Or(failed, err)
}

func stateExport(c *cli.Context) error {
	if c.Bool("manifest") && c.Bool("salvage") {
		return exit.Usagef("--manifest and --salvage do not go together: a manifest is of a whole state")
	}
	if c.Bool("manifest") {
		return exportManifest(c)
	}
	if c.Bool("salvage") {
		return salvageState(c)
	}
	return viewState(c, func(e *call, _ *config.Account, v *state.View) error { return v.Export(e.out.Out) })
}

func stateImport(c *cli.Context) error {
	e, a, db, err := openState(c, false)
	if err != nil {
		return err
	}
	defer db.Close()
	in := io.Reader(e.out.In)
	name := "standard input"
	if c.NArg() > 1 && c.Args().Get(1) != "-" {
		f, err := os.Open(c.Args().Get(1))
		if err != nil {
			return exit.Usage(advice.Give(err, advice.NameExport))
		}
		defer f.Close()
		in, name = f, f.Name()
	}
	change := &state.Change{Flaws: make(map[state.Key][]state.Flaw)}
	for en, err := range state.Import(in) {
		if err != nil {
			return advice.Give(exit.BadData(fmt.Errorf("%s: %w; nothing was imported", name, err)), advice.ExportLines)
		}
		change.Put = append(change.Put, en.Entry)
		if len(en.Flaws) > 0 {
			change.Flaws[en.Key] = en.Flaws
		}
	}
	if err := db.Apply(change); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return e.out.Row(jsonline.Imported{Account: a.Name, Imported: len(change.Put)},
		fmt.Sprintf("%s: %s imported", a.Name, term.Plural(len(change.Put), "entry")))
}

// salvageState prints what can be read of a state file that may be damaged.
// Standard error says how much that is.
func salvageState(c *cli.Context) error {
	e, a, err := stateAccount(c)
	if err != nil {
		return err
	}
	path := state.Path(e.builder.StateDir, a.ID)
	got, err := state.Salvage(path, e.out.Out)
	switch {
	case err != nil:
		return stateProblem(a, err)
	case got.Whole:
		_, err = fmt.Fprintf(e.out.Err, "%s: %s, which is all: the state is not damaged\n", a.Name, term.Plural(got.Entries, "entry"))
		return err
	}
	return advice.Give(exit.BadData(fmt.Errorf("%s: %s", a.Name, salvaged(got))), advice.Salvaged(path, a.Name))
}

// salvaged says what was saved and what is missing.
func salvaged(got state.Salvaged) string {
	switch missing := got.Recorded - got.Entries; {
	case got.Recorded < 0:
		return term.Plural(got.Entries, "entry") + " could be read; others may be missing, it is not known how many"
	case missing > 0:
		return fmt.Sprintf("%d of %s could be read; %d are missing", got.Entries, term.Plural(got.Recorded, "entry"), missing)
	}
	return term.Plural(got.Entries, "entry") + " could be read, as many as there were; other parts of the state are damaged"
}
