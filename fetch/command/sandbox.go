package command

import (
	"fmt"
	"os"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// confine keeps the process, for the rest of its life, to the files that the
// accounts need. It does nothing if the configuration turns it off, the
// accounts run commands, or the system has no Landlock. The result is nil if
// the process is not confined.
//
// The network and signals are not touched: what the file system allows is what
// a hostile server could be after.
func (e *env) confine(accounts []*config.Account) *confinement {
	if !e.std.Alone {
		return nil
	}
	if e.conf != nil && e.conf.Sandbox == config.SandboxOff {
		e.log.Debug("sandbox is off")
		return nil
	}
	// Before the rules are made, since they are for files that exist.
	if err := os.MkdirAll(e.stateDir, 0o700); err != nil {
		e.log.Debug("no sandbox", "err", err) // the run will say it
		return nil
	}
	c, reason := e.confinement(accounts)
	if reason != "" {
		e.log.Info("no sandbox: a command would inherit it", "reason", reason)
		return nil
	}
	confined, err := landlocked(c)
	switch {
	case err != nil:
		e.log.Warn("no sandbox", "err", err)
	case !confined:
		e.log.Debug("no sandbox: this system has no Landlock")
	default:
		e.log.Debug("sandbox", "read", fmt.Sprint(c.read), "write", fmt.Sprint(c.write))
		return &c
	}
	return nil
}
