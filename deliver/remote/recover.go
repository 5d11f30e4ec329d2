package remote

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// lookAgain is how often a server is asked while what was sent may still be stored.
	lookAgain = time.Second
	// oldIntent is the age from which nothing is left that might.
	oldIntent = 10 * time.Minute
)

// Young reports whether what was sent may still be stored. An intent of the future is
// old: the clock was wrong.
func (m *Mark) Young() bool {
	age := time.Since(m.At)
	return age < oldIntent && age > -oldIntent
}

// Found is what a look has shown of a message, which the server calls K.
type Found[K comparable] struct {
	At K
	// OK: it is there. Changed: with another text. StandIn: nothing is known of its text,
	// it has its Message-ID and date.
	OK, Changed, StandIn bool
}

// Copy is a message of a mailbox that may be the one of a mark. Sums are Unserved if the
// server cannot hand it out. Twin: it has the Message-ID and the date.
type Copy[K comparable] struct {
	Key  K
	Sums content.Sums
	Twin bool
}

// Unserved are the sums of a message that the server cannot hand out. Nothing else has them.
var Unserved content.Sums

// View is what looks at a mailbox have shown.
type View[K comparable] struct {
	// Settled: nothing that was sent before can still be stored.
	Settled bool

	faithful bool // a message is there just as it was sent
}

// Find decides by content which of the copies is the message of m. Equal messages arrive
// in the order of Nth. A server that makes messages anew (Exchange; RFC 8621 section 4.8)
// leaves Message-ID and date: anew says that this counts.
func (v *View[K]) Find(m *Mark, copies []Copy[K], anew bool) (at Found[K]) {
	want, n := m.Sums(), 0
	var twins []Copy[K]
	for _, c := range copies {
		switch {
		case c.Sums.Loose == want.Loose:
			exact := c.Sums.Exact == want.Exact
			v.faithful = v.faithful || exact
			if n == m.Nth {
				return Found[K]{At: c.Key, OK: true, Changed: !exact}
			}
			n++
		case c.Twin:
			twins = append(twins, c)
		}
	}
	if anew && m.Alone && len(twins) == 1 && (!v.faithful || twins[0].Sums == Unserved) {
		return Found[K]{twins[0].Key, true, true, true}
	}
	return at
}

// Await looks, and looks again while messages are pending that may still be stored. Settled:
// none can any more.
func Await(ctx context.Context, settle time.Duration, look func() (pending bool, err error)) (settled bool, err error) {
	for end := time.Now().Add(settle); ; {
		pending, err := look()
		left := time.Until(end)
		if err != nil || !pending || left <= 0 {
			return left <= 0, err
		}
		if err := Pause(ctx, min(left, lookAgain)); err != nil {
			return false, err
		}
	}
}

// Recover settles an intent of a kind, whose data are read into in: look finds its message.
func Recover[K comparable](kind string, i deliver.Intent, in interface {
	Decode(string, []byte, any) error
},
	look func() (Found[K], error)) (deliver.Fate, error) {
	switch {
	case i.Kind != kind: // not ours: nobody can look
		return deliver.Unknown, nil
	case fault.Mutated(kind + "-no-search"):
		return deliver.Absent, nil
	}
	if err := in.Decode(kind, i.Data, in); err != nil {
		return deliver.Unknown, err
	}
	at, err := look()
	switch {
	case err != nil:
		return deliver.Unknown, err
	case !at.OK:
		return deliver.Absent, nil
	case at.StandIn:
		return deliver.StandIn, nil
	}
	return deliver.Visible, nil
}

// LookUp finds out which of the messages in doubt have arrived: look returns what finds
// each. Those of which that cannot be found out get the error of failed, which leaves
// their intents to the next run.
func LookUp[M Message, K comparable](msgs []M, look func(doubt []M) (func(M) (Found[K], error), error),
	failed func(error) error, arrived func(M, Found[K])) {
	doubt := InDoubt(msgs)
	if len(doubt) == 0 {
		return
	}
	find, err := look(doubt)
	for _, m := range doubt {
		s := m.state()
		var at Found[K]
		lookErr := err
		if err == nil {
			at, lookErr = find(m)
		}
		if s.Doubt = lookErr != nil; s.Doubt {
			s.Err = failed(lookErr)
		}
		if at.OK && lookErr == nil {
			s.Done, s.StandIn = true, at.StandIn
			arrived(m, at)
		}
	}
}
