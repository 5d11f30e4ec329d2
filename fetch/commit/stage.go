package commit

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/recipient"
	"github.com/mailhaul/mailhaul/state"
)

// Source is where a message comes from.
type Source interface {
	// Err is why its body broke off; nil if it came to its end. It tells the
	// server's failure apart from a target's.
	Err() error
	// Sure reports whether everything so far is beyond doubt whole, and under
	// its own unique-id.
	Sure() bool
}

// Incoming is a message whose body begins to arrive.
type Incoming struct {
	Item   plan.Item
	Print  state.Fingerprint
	Header header.Header
	// Body is all of the message, from its header on.
	Body   *bufio.Reader
	Source Source
	// Left is how many messages of the pass come after it.
	Left int
}

// Pass takes the messages that the network side retrieves, stages them into
// batches and hands these to the commit goroutine.
type Pass struct {
	side   *Side
	commit *committer
	limit  int // messages in this batch
	most   int // messages in any
	// uploads: a batch is handed over when the commit side waits for it.
	uploads bool
	cur     *batch
	sum     hash.Hash
}

// Begin starts a pass over the items, and returns those that a working target
// wants. Cancel ends the network side when nothing more can be committed.
// Finish must be called.
func (s *Side) Begin(ctx context.Context, cancel context.CancelCauseFunc, items []plan.Item) (*Pass, []plan.Item) {
	p := &Pass{side: s, commit: s.start(ctx, cancel), most: s.Limit(), uploads: s.Targets.upload() > 0, sum: sha256.New()}
	items = p.wanted(ctx, items)
	p.limit = p.size(firstBatch, len(items))
	return p, items
}

// Finish hands over the last batch, unless sure says that it may hold one
// message under the unique-id of another: then it is dropped. It waits until
// everything that was handed over is committed and settled; its error is then
// the cause of whatever the network side says.
func (p *Pass) Finish(sure bool) error {
	if sure || p.cur == nil {
		p.handOver(0)
	} else {
		p.side.Journal.Log.Info("messages are retrieved again, since it is in doubt which is which", "messages", len(p.cur.msgs))
		_ = p.cur.abort() // leftovers are swept later
	}
	return p.commit.finish()
}

// Stage puts one message into the current batch, for each target that lacks
// it. Its error ends the session; what is wrong with the message or with one
// target alone is noted, and the run goes on.
func (p *Pass) Stage(ctx context.Context, in *Incoming) error {
	msg := &message{Item: in.Item, print: in.Print}
	env, err := p.side.envelope(in.Header, msg)
	if err != nil && p.side.unknown(&msg.Item, err) {
		return nil
	}
	if p.cur == nil {
		p.cur = newBatch()
	}
	parts, ids := p.open(ctx, msg)
	if len(parts) == 0 {
		return p.side.Targets.allStopped()
	}
	tag, err := tag(ctx, env, parts)
	if err != nil {
		p.side.Ledger.Fail(&msg.Item, "", err, false)
		return p.side.Targets.allStopped()
	}
	added := p.side.trace(env) + tag
	body, content := header.OwnContent(in.Header, in.Body, added != "")
	if msg.shared != nil {
		body, msg.shared.sum = header.Authored(in.Header, body)
	}
	p.sum.Reset()
	count := &counter{r: io.TeeReader(io.MultiReader(strings.NewReader(added), body), p.sum)}
	var errs []error
	p.inTime(in, func() {
		errs = tee(ctx, func(i int) deliver.Envelope { return p.side.envelopeFor(env, msg, ids[i]) }, parts, count)
	})
	if err := in.Source.Err(); err != nil {
		return err
	}
	msg.size = count.n
	p.sum.Sum(msg.sum[:0])
	msg.content = content()
	p.account(msg, parts, ids, errs)
	switch {
	case !in.Source.Sure():
	case p.cur.full(p.limit, time.Now()):
		p.handOver(in.Left)
	case p.uploads && len(p.cur.msgs) >= firstBatch:
		p.offer()
	}
	return p.side.Targets.allStopped()
}

// Stopped is the error to end with once no target is left.
func (p *Pass) Stopped() error { return p.side.Targets.allStopped() }

// open returns the parts that want the message and, beside each, the target
// IDs it counts for there.
func (p *Pass) open(ctx context.Context, msg *message) (parts []*part, ids [][]string) {
	ts := p.side.Targets
	for i := range ts.list {
		t := &ts.list[i]
		if slices.Contains(msg.Have, t.ID) {
			continue
		}
		msg.pending++
		if !msg.Wants(t.ID) || !ts.works(t) {
			continue
		}
		if part := p.part(ctx, t, state.Delivered); part != nil {
			parts, ids = append(parts, part), append(ids, []string{t.ID})
		}
	}
	if len(msg.RefusedBy) > 0 && ts.works(ts.quarantine) {
		if part := p.part(ctx, ts.quarantine, state.Quarantined); part != nil {
			parts, ids = append(parts, part), append(ids, msg.RefusedBy)
		}
	}
	return parts, ids
}

// account notes the outcome of Add in each part.
func (p *Pass) account(msg *message, parts []*part, ids [][]string, errs []error) {
	staged := false
	for i, part := range parts {
		if errs[i] == nil {
			part.deliveries = append(part.deliveries, delivery{msg, ids[i]})
			staged = true
			continue
		}
		p.side.failDelivery(&msg.Item, part.target, errs[i])
	}
	if staged {
		p.cur.msgs = append(p.cur.msgs, msg)
		p.cur.bytes += msg.size
	}
}

// failDelivery sorts the failure of one target: the target's or the message's.
func (s *Side) failDelivery(it *plan.Item, t *Target, err error) {
	var de *deliver.Error
	if !errors.As(err, &de) || de.Stops() || t == s.Targets.quarantine {
		s.Targets.stop(t, err)
		return
	}
	s.Ledger.Fail(it, t.ID, err, false)
}

// handOver gives the current batch to the commit goroutine; left messages come
// after it.
func (p *Pass) handOver(left int) {
	if p.cur != nil && len(p.cur.parts) > 0 {
		p.commit.batches <- p.cur
		p.limit = p.size(2*p.limit, left)
	}
	p.cur = nil
}

// offer gives the current batch to the commit goroutine if that waits for one.
func (p *Pass) offer() {
	select {
	case p.commit.batches <- p.cur:
		p.cur = nil
	default:
	}
}

// size is how many of the left messages the next batch takes.
func (p *Pass) size(usual, left int) int {
	if p.uploads {
		return p.most
	}
	return batchSize(usual, left, p.most)
}

// RecipientError says that a message has no usable field of its recipient.
type RecipientError struct{ Rule *recipient.Rule }

func (e *RecipientError) Error() string {
	if n := e.Rule.Occurrence; n > 0 {
		return fmt.Sprintf("no usable %s field (occurrence %d)", e.Rule.Headers[0], n)
	}
	return "no recipient of this mailbox in " + strings.Join(e.Rule.Headers, ", ")
}

// envelope makes what the targets learn of a message.
func (s *Side) envelope(h header.Header, msg *message) (deliver.Envelope, error) {
	e := deliver.Envelope{
		Account: s.Account,
		UID:     msg.UID,
		Size:    msg.Size,
		Date:    h.Date(s.Journal.Now()),
	}
	e.Sender, e.HasSender = h.Sender()
	e.MessageID, _ = h.Get("Message-ID", 1)
	rule := &s.Policy.Recipients
	if !rule.Shared() || msg.Rejected {
		return e, nil
	}
	e.Recipients = rule.Of(h)
	switch unknown := rule.Unknown; {
	case len(e.Recipients) > 0:
	case unknown.Fallback != "":
		e.Recipients = []string{unknown.Fallback}
	default:
		return e, &deliver.Error{Class: deliver.Later, Err: &RecipientError{rule}}
	}
	msg.shared = &sharing{key: msg.Key, to: e.Recipients, routed: make(map[string][]string)}
	return e, nil
}

// unknown is what becomes of a message without a recipient: it goes to the quarantine
// in place of all targets that lack it, or it stays on the server.
func (s *Side) unknown(it *plan.Item, err error) (stays bool) {
	if !s.Policy.Recipients.Unknown.Quarantine {
		s.Ledger.Fail(it, "", err, false)
		return true
	}
	it.Rejected = true
	it.RefusedBy = slices.DeleteFunc(s.Targets.IDs(), func(t string) bool { return slices.Contains(it.Have, t) })
	s.Ledger.Refuse(it, err)
	return false
}

// envelopeFor leaves out the recipients that already have the message.
func (s *Side) envelopeFor(e deliver.Envelope, msg *message, ids []string) deliver.Envelope {
	if len(ids) != 1 {
		return e
	}
	e.Served = msg.Served[ids[0]]
	if msg.shared != nil {
		e.Copied = func() []string { return s.copied(msg.shared, ids[0]) }
	}
	return e
}

// tag is the field that a target wants at the top of this message. With more
// than one target all of them get it.
func tag(ctx context.Context, e deliver.Envelope, parts []*part) (string, error) {
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

// trace is the one field that a run may add, by option (Policy.Received): who
// had the message, who fetched it, for whom if its envelope says so, and when
// (RFC 5321 section 4.4, RFC 5322 section 3.6.7). LF line ends.
func (s *Side) trace(e deliver.Envelope) string {
	if !s.Policy.Received {
		return ""
	}
	me, _ := os.Hostname() // "" is no domain either
	return received(s.Host, me, e.Recipients, s.Journal.Now())
}

// received writes the field. More than one recipient is not told: "for" takes
// one, and a list would give away blind copies.
func received(from, by string, to []string, at time.Time) string {
	var b strings.Builder
	b.WriteString("Received: from " + domain(from) + "\n\tby " + domain(by) + " (mailhaul) with POP3")
	if len(to) == 1 && forClause(to[0]) {
		b.WriteString("\n\tfor <" + to[0] + ">")
	}
	b.WriteString(";\n\t" + at.Format(time.RFC1123Z) + "\n")
	return b.String()
}

// domain is a host as a trace field names it: a domain, or an address literal
// (RFC 5321 section 4.1.3).
func domain(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		if ip.Is6() {
			return "[IPv6:" + ip.String() + "]"
		}
		return "[" + ip.String() + "]"
	}
	strange := func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '.')
	}
	if host == "" || strings.ContainsFunc(host, strange) {
		return "localhost"
	}
	return host
}

// forClause reports whether an address can stand in the field without doubt.
func forClause(addr string) bool {
	return strings.Contains(addr, "@") && len(addr) <= 254 &&
		!strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>()[]\,;:"`, r) })
}
