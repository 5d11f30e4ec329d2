package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:         "status",
		Usage:        "show each account's last run, errors, and a run under way",
		ArgsUsage:    "[ACCOUNT...]",
		BashComplete: completeAccounts,
		Action:       runStatus,
	}
}

// statusJSON is one account on stdout of `status --json`.
type statusJSON struct {
	state.StatusFile
	Running  bool       `json:"running"`
	Token    *tokenJSON `json:"token,omitempty"`
	Known    int        `json:"known"` // entries in the state; -1 while a run holds it
	SetAside int        `json:"set_aside"`
	Failing  int        `json:"failing"` // messages that failed and wait for another try
}

func runStatus(c *cli.Context) error {
	e, err := withConfig(c)
	if err != nil {
		return err
	}
	accounts, err := e.accounts(c.Args().Slice())
	if err != nil {
		return err
	}
	enc := json.NewEncoder(e.std.Out)
	w := columns(e.std.Out)
	if !e.json {
		fmt.Fprintln(w, "ACCOUNT\tLAST RUN\tRESULT\tNEW\tKNOWN\tASIDE\tLAST SUCCESS\tNOW")
	}
	var details strings.Builder
	for _, a := range accounts {
		s := e.status(a)
		if e.json {
			if err := enc.Encode(s); err != nil {
				return err
			}
			continue
		}
		writeStatus(w, &s)
		writeDetails(&details, &s)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = io.WriteString(e.std.Out, details.String())
	return err
}

// status gathers what is known of an account without waiting for a run that
// holds its state.
func (e *env) status(a *config.Account) statusJSON {
	s := statusJSON{Known: -1}
	s.StatusFile, _ = state.ReadStatus(state.StatusPath(e.stateDir, a.ID))
	s.Account, s.ID = a.Name, a.ID
	s.Running = s.StatusFile.Running()
	s.Token = e.tokenState(a)
	if !s.Running {
		s.State = state.StateIdle
	}
	db, err := state.Open(state.Path(e.stateDir, a.ID), state.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		s.Known = 0
	}
	if err != nil {
		return s
	}
	defer db.Close()
	_ = db.View(func(v *state.View) error {
		s.Known = v.Len()
		s.Failing = len(v.Failures())
		if runs := v.Runs(); len(runs) > 0 {
			s.LastRun = &runs[len(runs)-1]
		}
		return nil
	})
	s.SetAside = countMaildir(e.quarantine(a.ID))
	return s
}

func writeStatus(w io.Writer, s *statusJSON) {
	last, result, fetched := "never", "-", "-"
	if r := s.LastRun; r != nil {
		last, result, fetched = stamp(r.Started), "ok", fmt.Sprint(r.Fetched)
		if !r.OK() {
			result = fmt.Sprintf("exit %d", r.Exit)
		}
	}
	known := "?"
	if s.Known >= 0 {
		known = fmt.Sprint(s.Known)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", printable(s.Account), last, result, fetched, known, s.SetAside, stamp(s.LastSuccess), now(s))
}

// writeDetails prints what does not fit into the table.
func writeDetails(w io.Writer, s *statusJSON) {
	if s.LastRun != nil && s.LastRun.Error != "" {
		fmt.Fprintf(w, "%s: last run: %s\n", printable(s.Account), printable(s.LastRun.Error))
	}
	if s.Token != nil {
		writeTokenState(w, s.Account, s.Token)
	}
}

// now is what a run under way is doing.
func now(s *statusJSON) string {
	if !s.Running {
		return "idle"
	}
	if s.Total == 0 {
		return fmt.Sprintf("%s (pid %d)", s.Stage, s.PID)
	}
	return fmt.Sprintf("%s %d of %d, %s of %s, for %s (pid %d)", s.Stage, s.Fetched, s.Total,
		humanize.IBytes(uint64(s.Bytes)), humanize.IBytes(uint64(s.BytesTotal)), time.Since(s.Started).Round(time.Second), s.PID)
}
