package command

import (
	"errors"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/sources"
)

// elsewhere is what became of the accounts that are not in the configuration file.
type elsewhere struct {
	lists []sources.List
	// troubles are the errors that were printed, each with its exit status.
	troubles []error
}

// liveCommands read the sources themselves; the others take what fetch and loop read.
// Those that are false write nothing down.
var liveCommands = map[string]bool{"fetch": true, "loop": true, "check": false, "plan": false, "login": false}

// sourcesDir is where the lists of sources are kept.
func sourcesDir(stateDir string) string { return filepath.Join(stateDir, "sources") }

// parse reads the configuration, and the accounts elsewhere with it.
func (e *call) parse(c *cli.Context, file *config.File) (*config.Config, error) {
	o := configOptions()
	o.Elsewhere = func(conf *config.Config, adopt func(config.Document) (config.Adopted, error)) {
		at := call{conf: conf, builder: e.builder.Fresh()}
		if err := at.findState(c); err != nil {
			return // the caller finds out, too
		}
		store, live := liveCommands[c.Command.Name]
		r := sources.Reader{Dir: sourcesDir(at.builder.StateDir), Kept: !live, Look: !store, Agent: "mailhaul/" + version(), Log: e.log}
		e.from.lists = r.Read(c.Context, conf, adopt)
	}
	conf, err := loadConfig(file, o)
	if err != nil { // all mistakes at once
		err = errors.Join(append([]error{err}, e.from.errors()...)...)
	}
	return conf, err
}

// errors are those of all lists, with their exit status: while a list of an earlier time
// stands in for what failed, a later run may be better.
func (f *elsewhere) errors() (errs []error) {
	for i := range f.lists {
		for _, err := range f.lists[i].Errs() {
			if failed, ok := errors.AsType[*sources.Error](err); ok && !failed.Since.IsZero() {
				err = exit.TryLater(err)
			} else {
				err = exit.Setting(err)
			}
			errs = append(errs, err)
		}
	}
	return errs
}

// report prints what is wrong with the lists, once.
func (f *elsewhere) report(e *call) {
	if len(f.troubles) > 0 {
		return
	}
	f.troubles = f.errors()
	for _, err := range f.troubles {
		e.ended("", err, "")
	}
}

// unbuilt drops an account from elsewhere that cannot be built: it is reported, and the
// others go on. False: err is of the configuration file.
func (f *elsewhere) unbuilt(e *call, a *config.Account, err error) bool {
	if a.Source == "" {
		return false
	}
	err = exit.Setting(err)
	f.troubles = append(f.troubles, err)
	e.ended(a.Name, err, "")
	return true
}

// ends are the exit statuses of runs and of what was wrong before them.
func (f *elsewhere) ends(sums []fetch.Summary) []error { return append(errorsOf(sums), f.troubles...) }
