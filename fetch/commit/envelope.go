package commit

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/recipient"
)

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
