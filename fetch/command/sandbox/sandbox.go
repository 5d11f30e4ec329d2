// Package sandbox confines the process, where the system can, to the files that
// its accounts need.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/mailhaul/mailhaul/fetch/commit"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

// Process is what may be confined, and what decides that.
type Process struct {
	Log      *slog.Logger
	StateDir string
	Conf     *config.Config // nil with --from
}

// Confine keeps the process, for the rest of its life, to the files that the
// accounts need. It does nothing if the configuration turns it off, or the
// system has no Landlock. The result is nil if the process is not confined.
//
// The network and signals are not touched: what the file system allows is what
// a hostile server could be after.
func (p Process) Confine(accounts []*config.Account, anew bool) *Confinement {
	if p.Conf != nil && p.Conf.NoSandbox {
		p.Log.Debug("sandbox is off")
		return nil
	}
	// Before the rules are made, since they are for files that exist.
	if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
		p.Log.Debug("no sandbox", "err", err) // the run will say it
		return nil
	}
	if Confines() {
		for _, a := range accounts {
			p.makeTargets(a, anew)
		}
	}
	c := p.Confinement(accounts)
	if dir := missingTarget(accounts); dir != "" && Confines() {
		p.Log.Info("no sandbox: it could not allow a directory that is not there yet", "path", dir)
		return nil
	}
	var err error
	if len(c.commands) > 0 && Confines() {
		err = process.Delegate(c.commands)
	}
	confined := false
	if err == nil {
		confined, err = landlocked(c)
	}
	switch {
	case err != nil:
		p.Log.Warn("no sandbox", "err", err)
	case !confined:
		p.Log.Debug("no sandbox: this system has no Landlock")
	default:
		p.Log.Debug("sandbox", "read", fmt.Sprint(c.read), "write", fmt.Sprint(c.write), "commands", len(c.commands))
		return &c
	}
	return nil
}

// makeTargets makes the directories of an account's new Maildirs and mboxes.
// What does not exist gets no rule, and a rule for the directory above would
// often open the whole home directory. What has received mail and is gone is
// made only anew (--create-target): else the run says so. An error is the run's
// to say, too.
func (p Process) makeTargets(a *config.Account, anew bool) {
	for _, t := range target.Of(a) {
		for _, dir := range t.Needs().Write {
			if _, err := os.Stat(dir); err == nil || !anew && p.past(a, t.ID()).Delivered {
				continue
			}
			if err := durable.MkdirAll(dir, 0o700); err != nil {
				p.Log.Debug("no target yet", "path", dir, "err", err)
			}
		}
	}
}

// missingTarget returns a target's directory that is not there, as when its volume
// is not mounted: loop is to write to it once it is, and rules cannot be added.
func missingTarget(accounts []*config.Account) string {
	for _, a := range accounts {
		for _, t := range target.Of(a) {
			for _, dir := range t.Needs().Write {
				if _, err := os.Stat(dir); err != nil {
					return dir
				}
			}
		}
	}
	return ""
}

// past is what the state knows of a target. Where it is locked, a run that is
// under way takes care of the target; where it cannot be read, mail may have been
// delivered there.
func (p Process) past(a *config.Account, target string) (past deliver.Past) {
	db, err := state.Open(state.Path(p.StateDir, a.ID), state.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, state.ErrLocked) {
		return deliver.Past{}
	}
	if err != nil {
		return deliver.Past{Delivered: true}
	}
	defer db.Close()
	if err := db.View(func(v *state.View) error { past = commit.PastOf(v, target); return nil }); err != nil {
		past.Delivered = true
	}
	return past
}
