package fetch

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// retriever is the network side of one pass: it stages messages into batches
// and hands these to the commit side.
type retriever struct {
	*run
	client *pop3.Client
	commit *committer
	items  []plan.Item
	next   int // of items, the one whose body comes next
	left   int // messages that did not arrive yet
	limit  int // messages in this batch
	most   int // messages in any
	cur    *batch
	in     *bufio.Reader
	sum    hash.Hash
}

// pass retrieves the items, commits them and waits for the end of both. Each
// message that is whole beyond doubt is committed, also when the session breaks
// or ctx is cancelled. If the error is pop3.ErrEnough, rest was not asked for.
func (r *run) pass(ctx context.Context, c *pop3.Client, limit *serverLimit, items []plan.Item) (rest []plan.Item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rt := &retriever{
		run:    r,
		client: c,
		commit: r.startCommit(ctx, cancel),
		most:   r.batchLimit(),
		in:     bufio.NewReaderSize(nil, header.MaxSize),
		sum:    sha256.New(),
	}
	rt.items = rt.wanted(ctx, items)
	rt.left = len(rt.items)
	rt.limit = batchSize(firstBatch, rt.left, rt.most)
	err = c.Retrieve(ctx, plan.Messages(rt.items), func(m pop3.Message, body io.Reader, refused error) error {
		it := rt.item(m, refused != nil)
		rt.left--
		switch {
		case refused != nil && r.needsUTF8(c, refused):
			return nil
		case refused != nil && limit.refused(it, refused):
			if limit.enough() {
				return pop3.ErrEnough
			}
			return nil
		case refused != nil:
			r.notSent(heldRefusal{it, refused})
			return nil
		}
		r.notSent(limit.came()...)
		return rt.stage(ctx, it, body)
	})
	rt.endBatch()
	if cerr := rt.commit.finish(); cerr != nil {
		return nil, cerr // the cause of whatever the network side says
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil && !errors.Is(err, pop3.ErrEnough) {
		return nil, r.suspects.brokenAt(rt.items, err)
	}
	r.suspects.asked += len(rt.items) - rt.left
	return rt.items[len(rt.items)-rt.left:], err
}

// notSent notes messages that the server refused to send.
func (r *run) notSent(list ...heldRefusal) {
	for i := range list {
		it := &list[i].item
		r.failMessage(it, "", &deliver.Error{Class: deliver.Later, Err: &MessageError{it.UID, it.Size, list[i].err}})
	}
}

// batchLimit is the smallest bound of all targets.
func (r *run) batchLimit() int {
	n := cmp.Or(r.f.Batch, DefaultBatch)
	for i := range r.a.Targets {
		if l, ok := r.a.Targets[i].Deliverer.(deliver.BatchLimiter); ok {
			n = min(n, l.MaxBatch())
		}
	}
	return max(n, 1)
}

// stage puts one message into the current batch, for each target that lacks
// it. Its error ends the session; what is wrong with the message or with one
// target alone is noted, and the run goes on.
func (rt *retriever) stage(ctx context.Context, it plan.Item, body io.Reader) error {
	src := &source{r: body, run: rt.run, wait: rt.pace(ctx)}
	rt.in.Reset(src)
	h, err := header.Read(rt.in)
	if err != nil {
		return rt.unless(&it, src, err)
	}
	msg := &message{Item: it, print: h.Fingerprint()}
	if !rt.identify(msg) {
		return rt.seenAgain(msg, src)
	}
	env, err := rt.envelope(h, msg)
	if err != nil {
		rt.failMessage(&msg.Item, "", err)
		return nil
	}
	if rt.cur == nil {
		rt.cur = &batch{opened: time.Now()}
	}
	parts, ids := rt.open(ctx, msg)
	if len(parts) == 0 {
		return rt.stopIfBroken()
	}
	tag, err := rt.tag(ctx, env, parts)
	if err != nil {
		rt.failMessage(&msg.Item, "", err)
		return rt.stopIfBroken()
	}
	added := rt.trace(env) + tag
	in, content := header.OwnContent(h, rt.in, added != "")
	rt.sum.Reset()
	count := &counter{r: io.TeeReader(io.MultiReader(strings.NewReader(added), in), rt.sum)}
	var errs []error
	rt.inTime(func() {
		errs = tee(ctx, func(i int) deliver.Envelope { return envelopeFor(env, msg, ids[i]) }, parts, count)
	})
	if src.err != nil {
		return rt.unless(&it, src, src.err)
	}
	msg.size = count.n
	rt.sum.Sum(msg.sum[:0])
	msg.content = content()
	rt.account(msg, parts, ids, errs)
	if rt.client.Sure() && rt.cur.full(rt.limit, time.Now()) {
		rt.handOver()
	}
	return rt.stopIfBroken()
}

// open returns the parts that want the message and, beside each, the target
// IDs it counts for there.
func (rt *retriever) open(ctx context.Context, msg *message) (parts []*part, ids [][]string) {
	for i := range rt.a.Targets {
		t := &rt.a.Targets[i]
		if slices.Contains(msg.Have, t.ID) {
			continue
		}
		msg.pending++
		if msg.Rejected || rt.broken(t) || slices.Contains(msg.SetAside, t.ID) || slices.Contains(msg.Paused, t.ID) {
			continue
		}
		p, err := rt.cur.part(ctx, t, state.Delivered)
		if err != nil {
			rt.breakTarget(t, err)
			continue
		}
		parts, ids = append(parts, p), append(ids, []string{t.ID})
	}
	if len(msg.SetAside) > 0 && rt.a.SetAside != nil && !rt.broken(rt.a.SetAside) {
		p, err := rt.cur.part(ctx, rt.a.SetAside, state.SetAside)
		if err != nil {
			rt.breakTarget(rt.a.SetAside, err)
			return parts, ids
		}
		parts, ids = append(parts, p), append(ids, msg.SetAside)
	}
	return parts, ids
}

// account notes the outcome of Add in each part.
func (rt *retriever) account(msg *message, parts []*part, ids [][]string, errs []error) {
	staged := false
	for i, p := range parts {
		if errs[i] == nil {
			p.deliveries = append(p.deliveries, delivery{msg, ids[i]})
			staged = true
			continue
		}
		rt.failDelivery(&msg.Item, p.target, errs[i])
	}
	if staged {
		rt.cur.msgs = append(rt.cur.msgs, msg)
		rt.cur.bytes += msg.size
	}
}

// handOver gives the current batch to the commit side.
func (rt *retriever) handOver() {
	if rt.cur != nil && len(rt.cur.parts) > 0 {
		rt.commit.batches <- rt.cur
		rt.limit = batchSize(2*rt.limit, rt.left, rt.most)
	}
	rt.cur = nil
}

// RecipientError says that a message has no usable field of its recipient.
type RecipientError struct {
	Header     string
	Occurrence int
}

func (e *RecipientError) Error() string {
	return fmt.Sprintf("no usable %s field (occurrence %d)", e.Header, e.Occurrence)
}

// envelope makes what the targets learn of a message.
func (rt *retriever) envelope(h header.Header, msg *message) (deliver.Envelope, error) {
	e := deliver.Envelope{
		Account: rt.a.Name,
		UID:     msg.UID,
		Size:    msg.Size,
		Date:    h.Date(rt.now()),
	}
	e.Sender, e.HasSender = h.Sender()
	e.MessageID, _ = h.Get("Message-ID", 1)
	rule := rt.a.Policy.Envelope
	if rule.Header == "" {
		return e, nil
	}
	rcpt, ok := h.Recipient(rule)
	if !ok {
		return e, &deliver.Error{Class: deliver.Later, Err: &RecipientError{rule.Header, max(rule.Occurrence, 1)}}
	}
	e.Recipients = []string{rcpt}
	return e, nil
}

// envelopeFor leaves out the recipients that already have the message.
func envelopeFor(e deliver.Envelope, msg *message, ids []string) deliver.Envelope {
	if len(ids) == 1 {
		e.Served = msg.Served[ids[0]]
	}
	return e
}

// tag is the field that a target wants at the top of this message. With several
// targets all of them get it.
func (rt *retriever) tag(ctx context.Context, e deliver.Envelope, parts []*part) (string, error) {
	var tags strings.Builder
	for _, p := range parts {
		t, ok := p.target.Deliverer.(deliver.Tagger)
		if !ok {
			continue
		}
		text, err := t.Tag(ctx, e)
		if err != nil {
			return "", err
		}
		tags.WriteString(text)
	}
	return tags.String(), nil
}

// source counts what arrives, holds to the rate, and remembers a broken
// connection, so that it is told apart from a target's failure. A message of
// which it is in doubt whether it is whole does not come to its end.
type source struct {
	r     io.Reader
	run   *run
	wait  func(n int) error // holds to Limits.Rate
	err   error
	doubt bool // err is about the message alone, not the connection
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 {
		s.run.progress(n)
	}
	if werr := s.wait(n); werr != nil && err == nil {
		err = werr
	}
	if errors.Is(err, io.EOF) {
		if why := doubtOf(s.r); why != nil {
			err, s.doubt = why, true
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// counter counts the bytes that were delivered.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
