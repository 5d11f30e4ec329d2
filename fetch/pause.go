package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// longestPause bounds what a target may ask for. What is left of a pause is never
// longer, unless the clock was wrong.
const longestPause = 24 * time.Hour

// PauseError says that a target has asked to be left alone: the account waits.
type PauseError struct {
	Target string
	// Wait is what is left of the pause.
	Wait time.Duration
}

func (e *PauseError) Error() string {
	return fmt.Sprintf("%s has asked for a pause, which ends in %s", e.Target, ledger.Brief(e.Wait.Round(time.Second)))
}

// Temporary is true: it is over after Wait.
func (*PauseError) Temporary() bool { return true }

// notePauses notes the longest of the pauses that targets have asked for.
func (h *Held) notePauses() {
	for id, err := range h.Targets.Failed() {
		h.notePause(id, err)
	}
}

// notePause notes the pause that the error of a target asks for, unless one that
// ends later is on record, and reports whether it asks for one.
func (h *Held) notePause(target string, err error) bool {
	var e *deliver.Error
	if !errors.As(err, &e) || e.Pause <= 0 {
		return false
	}
	if wait := min(e.Pause, longestPause); wait > h.pause() {
		h.Facts.Pause = state.Pause{Target: target, Until: h.Journal.Now().Add(wait)}
	}
	return true
}

// unrecovered records the pause that a target asked for when it was asked what it
// has, and returns the error of that.
func (h *Held) unrecovered(err error) error {
	var failed *commit.RecoveryError
	if errors.As(err, &failed) && h.notePause(failed.Target, err) {
		if aerr := h.DB.Apply(&state.Change{Facts: &h.Facts}); aerr != nil {
			return aerr
		}
	}
	return err
}

// pause is what is left of a pause that one of the account's targets has asked for.
func (h *Held) pause() time.Duration {
	p := h.Facts.Pause
	left := p.Until.Sub(h.Journal.Now())
	if left > longestPause || !slices.Contains(h.Targets.IDs(), p.Target) {
		return 0
	}
	return max(left, 0)
}

// awaitPause waits for the end of a pause as for a server's LOGIN-DELAY.
func (h *Held) awaitPause(ctx context.Context) error {
	left := h.pause()
	if left > h.Drop.Dialer.Patience() {
		return &PauseError{h.Facts.Pause.Target, left}
	}
	return session.Sleep(ctx, left)
}
