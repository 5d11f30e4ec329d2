package command

import (
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// waitingOf sums up the failures on record; nil if no message waits.
func waitingOf(failures map[state.Key][]state.Failure) *jsonline.Waiting {
	var w jsonline.Waiting
	for _, list := range failures {
		waits := false
		for _, f := range list {
			if !f.Later {
				continue
			}
			if !waits {
				w.Messages++
			}
			if w.Since.IsZero() || f.First.Before(w.Since) {
				w.Since, w.Err = f.First, f.Err
			}
			if w.Messages == 1 && !waits || f.Next.Before(w.Next) {
				w.Next = f.Next
			}
			waits = true
		}
	}
	if w.Messages == 0 {
		return nil
	}
	return &w
}

// waitingText is w for a person.
func waitingText(w *jsonline.Waiting) string {
	next := "with the next run"
	if w.Next.After(time.Now()) {
		next = "from " + term.Stamp(w.Next)
	}
	return fmt.Sprintf("%s waiting for a target since %s, tried again %s: %s", term.Plural(w.Messages, "message"), term.Stamp(w.Since), next, term.Printable(w.Err))
}
