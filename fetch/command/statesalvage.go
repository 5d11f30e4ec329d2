package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

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
		return stateProblem(e, a, err)
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
