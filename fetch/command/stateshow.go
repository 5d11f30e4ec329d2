package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
	"github.com/urfave/cli/v2"
)

func stateShow(c *cli.Context) error {
	uids := c.Args().Slice()
	return viewState(c, func(e *call, a *config.Account, v *state.View) error {
		if len(uids) < 2 {
			if e.out.JSON {
				return showAccountJSON(e, a, v)
			}
			return showAccount(e.out.Out, a, v)
		}
		for _, uid := range uids[1:] {
			if err := showEntry(e, a, v, uid); err != nil {
				return err
			}
		}
		return nil
	})
}

func showAccount(out io.Writer, a *config.Account, v *state.View) error {
	f := v.Facts()
	w := term.Columns(out)
	row := func(k string, val any) { fmt.Fprintf(w, "%s\t%v\n", k, val) }
	row("account", a.Name)
	row("id", term.Printable(a.ID))
	row("entries", v.Len())
	row("last complete listing", term.Stamp(f.LastPoll))
	row("last login", strings.TrimSpace(term.Stamp(f.LastLogin)+" "+f.AuthName))
	row("unlisted entries", len(v.Gone()))
	quirks := session.QuirksOf(&f, time.Now())
	for _, q := range []struct {
		until time.Time
		text  string
	}{
		{quirks.NoPipelining, "cannot take several commands at once (pipelining): one at a time until "},
		{quirks.NoCapa, "cannot answer what it can do (CAPA): not asked until "},
		{quirks.NoUTF8, "refused UTF8 or broke the session at it: sessions are without it until "},
		{quirks.SmallHello, "no answer to a large TLS greeting: without post-quantum key exchange until "},
		{quirks.NoBinding, "could not verify the channel binding of SCRAM: without it until "},
	} {
		if !q.until.IsZero() {
			row("server quirk", q.text+term.Stamp(q.until))
		}
	}
	for k, fs := range v.Failures() {
		for _, x := range fs {
			row("failed", failureText(k, &x))
		}
	}
	for _, t := range v.Targets() {
		row("target", term.Printable(t))
	}
	for _, r := range v.Runs() {
		row("run "+term.Stamp(r.Started), fmt.Sprintf("exit %d, %d fetched, %d deleted, %d failed %s", r.Exit, r.Fetched, r.Deleted, r.Failed, term.Printable(r.Error)))
	}
	return w.Flush()
}

// failureText is one message that failed, in a line.
func failureText(k state.Key, f *state.Failure) string {
	what, how := uidText(k), term.Plural(f.Count, "time")
	if f.Size > 0 {
		what += " (" + term.Size(f.Size) + ")"
	}
	if f.Suspect {
		how += ", tried last and alone"
	}
	return fmt.Sprintf("%s: %s, last %s: %s", what, how, term.Stamp(f.Last), term.Printable(f.Err))
}

func showEntry(e *call, a *config.Account, v *state.View, uid string) error {
	found := false
	for nth := 0; ; nth++ {
		en, ok := v.Get(state.NewKey(uid, nth))
		if !ok {
			break
		}
		found = true
		text, err := en.JSON()
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out.Out, string(text))
	}
	if !found {
		return advice.Give(exit.BadData(fmt.Errorf("%s: no entry %q", a.Name, uid)), advice.ListEntries(a.Name))
	}
	return nil
}

// showAccountJSON is showAccount for --json.
func showAccountJSON(e *call, a *config.Account, v *state.View) error {
	f := v.Facts()
	row := jsonline.State{Account: a.Name, ID: a.ID, Entries: v.Len(), LastListing: f.LastPoll, LastLogin: f.LastLogin,
		Auth: f.AuthName, Unlisted: len(v.Gone()), Failures: []jsonline.Failure{}, Targets: []string{}, Runs: []state.Run{}}
	quirks := session.QuirksOf(&f, time.Now())
	row.NoPipelining, row.NoCapa, row.NoUTF8, row.NoBinding = quirks.NoPipelining, quirks.NoCapa, quirks.NoUTF8, quirks.NoBinding
	row.SmallHello = quirks.SmallHello
	for k, list := range v.Failures() {
		for _, x := range list {
			row.Failures = append(row.Failures, jsonline.Failure{UID: k.UID(), Nth: k.Nth(), Failure: x})
		}
	}
	row.Targets = append(row.Targets, v.Targets()...)
	row.Runs = append(row.Runs, v.Runs()...)
	return jsonline.Write(e.out.Out, row)
}
