package command

import (
	"fmt"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/sources"
)

// writeSources prints what became of the sources of accounts: as JSON all of them, for a
// person those that are not all right.
func writeSources(e *call, out io.Writer) error {
	for _, s := range e.sources()() {
		switch {
		case e.out.JSON:
			if err := jsonline.Write(out, jsonline.Source{Status: s}); err != nil {
				return err
			}
		case s.Tried.IsZero():
			fmt.Fprintf(out, "%s: not read yet\n", s.Source)
		case s.Error != "":
			fmt.Fprintf(out, "%s: %s\n", s.Source, term.Printable(sourceText(&s, time.Now())))
		}
	}
	return nil
}

// sourceText is what is wrong with a source.
func sourceText(s *sources.Status, now time.Time) string {
	switch {
	case s.Failing && s.Good.IsZero():
		return fmt.Sprintf("NO LIST, tried %s: %s", term.When(s.Tried, now), s.Error)
	case s.Failing:
		return fmt.Sprintf("NO NEW LIST since %s, its %s stay: %s", term.When(s.Good, now), term.Plural(s.Accounts, "account"), s.Error)
	}
	return fmt.Sprintf("%s, %s left out: %s", term.Plural(s.Accounts, "account"), term.Plural(s.Rejected, "mistake"), s.Error)
}
