package imap

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/mailhaul/mailhaul/deliver"
)

// A server may have a message that it cannot hand out: Dovecot ends the session over
// one whose file is damaged. From the first time nobody knows whether that was the
// reason. So the server is asked again in a new session, and then for the others.

// How many messages in a row a server may not hand out, for silence and for all
// reasons, before it counts as one that is away.
const (
	maxSilent   = 3
	maxUnserved = 100
)

// insist runs read, which reads from the mailbox wire, and runs it again in a new
// session if the server breaks off. If that does not help, the cause is Unserved, and
// the next insist has a session again.
func (c *conn) insist(ctx context.Context, wire string, read func() error) error {
	var err error
	if c.dead == nil {
		err = read()
	}
	if c.dead != nil {
		if err = c.again(ctx, wire); err != nil {
			return err
		}
		err = read()
	}
	var no *refusal
	switch refused := errors.As(err, &no); {
	case err == nil:
		c.unserved = 0
		return nil
	case refused && classify(no).Cause == Throttled, !refused && !c.brokeOff():
		return err
	}
	if c.unserved++; c.unserved >= maxUnserved || causeOf(err) == Silent && c.unserved >= maxSilent {
		return err
	}
	return c.o.failure(deliver.Failed, Unserved, "the server cannot hand it out", err)
}

// brokeOff reports whether the session has ended, and another one may last longer.
func (c *wire) brokeOff() bool {
	return c.dead != nil && !c.interrupted() && c.dead.Class == deliver.Unavailable && causeOf(c.dead) != Throttled
}

// again opens a session in place of the one that has ended, and the mailbox in it.
func (c *conn) again(ctx context.Context, wire string) error {
	if !c.brokeOff() {
		return c.dead
	}
	was := c.box
	if err := c.connect(ctx); err != nil {
		return err
	}
	c.box.name = wire
	if err := c.open("EXAMINE"); err != nil {
		c.box = was
		return err
	}
	if was.name == wire && was.validity != 0 && was.validity != c.box.validity {
		return c.lost(errors.New("the mailbox was made anew while it was read"))
	}
	return nil
}

func isUnserved(err error) bool { return err != nil && causeOf(err) == Unserved }

// apart runs read for parts, of at most so many messages, of what could not be read at once,
// down to single ones, and left for those that the server cannot hand out.
func (c *conn) apart(ctx context.Context, uids []uint32, most int, read func([]uint32) error, left func(uid uint32, err error)) error {
	for n := min(fetchSet, most); len(uids) > 0; {
		part := uids[:min(n, len(uids))]
		err := c.insist(ctx, c.box.name, func() error { return read(part) })
		switch {
		case err == nil:
			n, uids = min(2*n, most), uids[len(part):]
		case !isUnserved(err):
			return err
		case len(part) > 1:
			n = max(len(part)/10, 1)
		default:
			left(part[0], err)
			n, uids = min(fetchSet, most), uids[1:]
		}
	}
	return nil
}

// listApart lists in parts what could not be listed at once, and leaves out the
// messages that the server cannot hand out: what is in them is no answer.
func (c *conn) listApart(ctx context.Context, s *snapshot) error {
	var uids []uint32
	err := c.fetch(s.from, "*", "(UID)", func(e entry) {
		if e.uid >= s.from {
			uids = append(uids, e.uid)
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(uids)
	return c.apart(ctx, uids, maxUntagged, func(part []uint32) error {
		return c.list(s, part[0], strconv.FormatUint(uint64(part[len(part)-1]), 10))
	}, func(uid uint32, err error) {
		c.o.Logger.Warn("the server cannot hand out a message of the mailbox: it is left out",
			"mailbox", nameOf(c.box.name), "uid", uid, "err", err)
		s.left++
	})
}
