package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// tellList checks the listing and the other replies after the login.
func (w *walk) tellList(c *pop3.Client, list []pop3.Message, said announced, began time.Time) {
	if text, asked := said.afterLogin(); asked {
		w.ok("capa", text, began)
	}
	rep := c.ListReport()
	w.tellStat(&rep, len(list), began)
	var size int64
	for i := range list {
		size += max(list[i].Size, 0)
	}
	w.ok("list", fmt.Sprintf("%s, %d bytes, by %s", term.Plural(len(list), "message"), size, c.LoginName()), began)
	if rep.Malformed > 0 {
		w.warn("list", fmt.Sprintf("%d malformed lines, the first: %s", rep.Malformed, rep.Example), "a message without a unique-id is left alone", began)
	}
	if rep.BadSizes > 0 {
		w.warn("list", fmt.Sprintf("%d malformed sizes, the first: %s", rep.BadSizes, rep.BadSize), "a size is only a hint", began)
	}
	if !c.HasUIDL() {
		w.warn("uidl", "the server has none", "messages are distinguished by their headers (TOP), which takes longer; with keep: none it does not matter", began)
	}
}

// tellStat compares STAT with the list.
func (w *walk) tellStat(rep *pop3.ListReport, listed int, began time.Time) {
	detail := term.Plural(rep.Count, "message")
	if rep.Octets >= 0 {
		detail += fmt.Sprintf(", %d octets", rep.Octets)
	}
	switch {
	case rep.Count < 0:
		w.warn("stat", "the reply makes no sense", "it is not needed: the list counts", began)
	case rep.Count != listed:
		w.warn("stat", fmt.Sprintf("%s, but the list has %d", detail, listed), "the list counts: what it does not have cannot be fetched", began)
	default:
		w.ok("stat", detail, began)
	}
}

// tellTop reads the header of the first message; false if that broke the session.
func (w *walk) tellTop(ctx context.Context, c *pop3.Client, list []pop3.Message) bool {
	if len(list) == 0 {
		return true
	}
	began := time.Now()
	var refused error
	var h topped
	err := c.Top(ctx, list[:1], 0, func(_ pop3.Message, body io.Reader, r error) (err error) {
		if refused = r; r == nil {
			h, err = readTop(body)
		}
		return err
	})
	detail := fmt.Sprintf("%d bytes of header", h.header)
	switch {
	case err != nil:
		w.fail("top", err, began)
	case refused != nil:
		w.warn("top", refused.Error(), "state mark-seen --before and a change of UIDs cannot be handled without TOP", began)
	case h.fields == 0:
		w.warn("top", fmt.Sprintf("no header field in the %d bytes that came", h.header+h.rest),
			"state mark-seen --before and a change of UIDs cannot be handled: they go by the header", began)
	case h.rest > muchRest:
		w.warn("top", fmt.Sprintf("%s, and %d bytes that were not asked for", detail, h.rest),
			"the server sends more of a message than its header: what goes by headers is as slow here as fetching", began)
	default:
		w.ok("top", detail, began)
	}
	return err == nil
}

// muchRest is how much may follow the header before it is reported: some servers
// always send a line or two of the body.
const muchRest = 2 << 10

// topped is what the server sent for TOP with no line of the body.
type topped struct {
	header, rest int64 // bytes up to the empty line and after it
	fields       int
}

func readTop(body io.Reader) (t topped, err error) {
	in := bufio.NewReaderSize(body, 4<<10)
	for starts := true; ; {
		part, err := in.ReadSlice('\n')
		t.header += int64(len(part))
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return t, err
		case starts && err == nil && len(bytes.TrimRight(part, "\r\n")) == 0:
			t.rest, err = io.Copy(io.Discard, in)
			return t, err
		case starts && isField(part):
			t.fields++
		}
		starts = err == nil
	}
}

// isField reports whether a line begins a header field (RFC 5322 section 2.2).
func isField(line []byte) bool {
	name, _, found := bytes.Cut(line, []byte(":"))
	return found && len(name) > 0 && !bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// compareLists reports whether UIDs stay the same from session to session: if
// not, every run would fetch everything again.
func (w *walk) compareLists(first, second []pop3.Message) {
	began := time.Now()
	have := make(map[string]bool, len(second))
	for i := range second {
		have[second[i].UID] = true
	}
	same := 0
	for i := range first {
		if have[first[i].UID] {
			same++
		}
	}
	detail := fmt.Sprintf("%d of %d UIDs the same in a second session", same, len(first))
	switch {
	case same == len(first):
		w.ok("uidl twice", detail, began)
	case same == 0 && len(second) > 0:
		w.warn("uidl twice", "a second session shows other UIDs for all messages", "each fetch would take everything again: this server cannot be used with keep: all", began)
	default:
		w.warn("uidl twice", detail, "another program deleted messages in between, or this server changes UIDs: check again", began)
	}
}
