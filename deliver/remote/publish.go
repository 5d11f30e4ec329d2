package remote

import (
	"context"
	"errors"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
)

const (
	// patience is how many messages in a row a server may not take before no more are
	// sent to it, and mostLost how many it may break off at when they are sent alone.
	patience = 3
	mostLost = 2
)

// Waves calls send with those that are the only ones of their content, then, as long as
// they arrive, with the second ones, and so on.
func Waves[M Message](msgs []M, send func(wave []M)) {
	last := make(map[string]M)
	for nth, left := 0, len(msgs); left > 0; nth++ {
		var wave []M
		for _, m := range msgs {
			if m.mark().Nth != nth {
				continue
			}
			left--
			before, repeated := last[string(m.mark().Loose)]
			if last[string(m.mark().Loose)] = m; repeated && !before.state().Done {
				m.state().Err = before.state().Err
				continue
			}
			wave = append(wave, m)
		}
		send(wave)
	}
}

// Undecided are the messages without an outcome.
func Undecided[M Message](msgs []M) (out []M) {
	for _, m := range msgs {
		if m.state().Open() {
			out = append(out, m)
		}
	}
	return out
}

// Conclude gives all messages without an outcome this one, and returns it.
func Conclude[M Message](msgs []M, err error) error {
	for _, m := range Undecided(msgs) {
		s := m.state()
		s.Err = err
		if e, ok := errors.AsType[*deliver.Error](err); ok && s.Refusal != nil && !s.Doubt { // with others, and it is not there
			own := *e
			own.Refused, s.Err = true, &own
		}
	}
	return err
}

// Stopping is an error for the messages behind the one that it is about.
func Stopping(e *deliver.Error) *deliver.Error {
	return &deliver.Error{Class: e.Class, Err: e.Err, Pause: e.Pause}
}

// Blamed is an error that is this message's own, as far as anybody knows.
func Blamed(e *deliver.Error) *deliver.Error {
	return &deliver.Error{Class: deliver.Failed, Err: e.Err}
}

// Carefully sends messages one at a time. A server that does not take several in a row, or
// breaks off twice, gets no more: that is the error.
func Carefully[M Message](msgs []M, send func(M) *deliver.Error) error {
	row, lost := 0, 0
	for i, m := range msgs {
		e := send(m)
		if e == nil {
			row = 0
			continue
		}
		s := m.state()
		s.Err = e
		if e.Class == deliver.Failed && s.Refusal == nil {
			lost++
		}
		if e.Class != deliver.Never {
			row++
		}
		switch {
		case e.Stops() || errors.Is(e, context.Canceled):
			return Conclude(msgs[i+1:], Stopping(e))
		case lost == mostLost || row == patience:
			return Conclude(msgs[i+1:], &deliver.Error{Class: deliver.Unavailable, Err: e.Err})
		}
	}
	return nil
}

// Judge is the error that stops the target after these outcomes; nil: it goes on.
func Judge[M Message](msgs []M) error {
	row := 0
	for _, m := range msgs {
		e, ok := errors.AsType[*deliver.Error](m.state().Err)
		switch {
		case m.state().Done || ok && e.Class == deliver.Never:
			row = 0
		case ok && e.Stops():
			return Stopping(e)
		case ok:
			if row++; row == patience {
				return &deliver.Error{Class: deliver.Unavailable, Err: e.Err}
			}
		}
	}
	return nil
}

// InDoubt are the messages that the server may have.
func InDoubt[M Message](msgs []M) []M {
	return slices.DeleteFunc(slices.Clone(msgs), func(m M) bool { return !m.state().Doubt || m.state().Done })
}
