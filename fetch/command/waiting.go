package command

import (
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// waitingMail is what status shows of messages that targets take, but not yet.
type waitingMail struct {
	Messages int       `json:"messages"`
	Since    time.Time `json:"since"`         // the longest
	Next     time.Time `json:"next,omitzero"` // the first to be tried again; past: with the next run
	Err      string    `json:"error"`         // of the one that waits longest
}

// waitingOf sums up the failures on record; nil if no message waits.
func waitingOf(failures map[state.Key][]state.Failure) *waitingMail {
	var w waitingMail
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

func (w *waitingMail) String() string {
	next := "with the next run"
	if w.Next.After(time.Now()) {
		next = "from " + term.Stamp(w.Next)
	}
	return fmt.Sprintf("%s waiting for a target since %s, tried again %s: %s", term.Plural(w.Messages, "message"), term.Stamp(w.Since), next, term.Printable(w.Err))
}
