package imap

import (
	"io"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// A MULTIAPPEND (RFC 3502) holds at most so much. Stalwart takes 50 MiB.
	groupMessages = 200
	groupBytes    = 8 << 20
	// How many commands may wait for their replies: few, so that these fit into the
	// buffers of a connection whose other end does not read yet.
	groupWindow  = 4
	singleWindow = 100
	// smallLiteral is what LITERAL- allows to send at once (RFC 7888 section 5).
	smallLiteral = 4096

	dateFormat = `"_2-Jan-2006 15:04:05 -0700"`
)

// appending is a run of APPEND commands on one session.
type appending struct {
	c       *conn
	b       *batch
	flags   string
	pending []sentCommand
}

// sentCommand is a command whose reply has not come.
type sentCommand struct {
	tag  string
	msgs []*message
}

// groups divides messages into commands.
func (c *mailbox) groups(msgs []*message) (out [][]*message, window int) {
	if !c.caps["MULTIAPPEND"] || !c.caps["LITERAL+"] {
		for i := range msgs {
			out = append(out, msgs[i:i+1])
		}
		return out, singleWindow
	}
	start, size := 0, int64(0)
	for i, m := range msgs {
		if i > start && (i-start == groupMessages || size+m.Size > groupBytes) {
			out = append(out, msgs[start:i])
			start, size = i, 0
		}
		size += m.Size
	}
	return append(out, msgs[start:]), groupWindow
}

// append sends the groups and notes what became of each message. If the session
// ends, the error says why; messages that it had are in doubt.
func (c *conn) append(b *batch, groups [][]*message, window int) error {
	a := &appending{c: c, b: b, flags: c.flags()}
	for _, g := range groups {
		for len(a.pending) >= window {
			if err := a.settle(); err != nil {
				return err
			}
		}
		if err := a.offer(g); err != nil {
			return err
		}
	}
	for len(a.pending) > 0 {
		if err := a.settle(); err != nil {
			return err
		}
	}
	return nil
}

// offer sends one command.
func (a *appending) offer(g []*message) error {
	c := a.c
	if err := fault.Error("imap.append"); err != nil {
		return c.lost(err)
	}
	line := "APPEND " + c.box.name + " "
	tag := ""
	for i, m := range g {
		m.tried = true
		spec, wait := c.literal(m.Size)
		line += a.flags + m.date.Format(dateFormat) + " " + spec
		if i == 0 {
			tag = c.sendAs(StageAppend, line, "")
			a.pending = append(a.pending, sentCommand{tag, g})
		} else {
			_, _ = c.bw.WriteString(line + "\r\n")
		}
		if wait {
			if ok, err := a.await(tag); err != nil || !ok {
				return err
			}
		}
		m.Doubt = true
		if err := a.write(m); err != nil {
			return err
		}
		line = " "
	}
	_, _ = c.bw.WriteString("\r\n")
	return nil
}

// literal announces size octets; wait: the server's leave is needed.
func (c *mailbox) literal(size int64) (spec string, wait bool) {
	n := strconv.FormatInt(size, 10)
	if c.caps["LITERAL+"] || size <= smallLiteral && (c.caps["LITERAL-"] || c.caps["IMAP4REV2"]) {
		return "{" + n + "+}", false
	}
	return "{" + n + "}", true
}

// await waits for the server's leave to send a literal. It may refuse in place of it.
func (a *appending) await(tag string) (ok bool, err error) {
	for {
		r, err := a.reply()
		switch {
		case err != nil:
			return false, err
		case r.tag == "+":
			return true, nil
		case r.tag == tag:
			return false, nil
		}
	}
}

// write sends the bytes of a message.
func (a *appending) write(m *message) error {
	if err := fault.Error("imap.literal"); err != nil {
		return a.c.lost(err)
	}
	r := a.b.Staged.Open(m.Part)
	buf := a.c.scratch()
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := a.c.bw.Write(buf[:n]); werr != nil {
				return a.broken(werr)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil { // the session is out of step
			_ = a.c.lost(err)
			return a.c.o.failure(deliver.IOError, CauseOther, "temporary file", err)
		}
	}
}

// broken reads what a server had to say that does not read any more.
func (a *appending) broken(err error) error {
	a.c.drain(func(r *reply) { a.note(r) })
	return a.c.lost(err)
}

// settle reads one reply.
func (a *appending) settle() error {
	_, err := a.reply()
	return err
}

// reply reads one response that is not untagged, and notes the outcome that it is.
func (a *appending) reply() (*reply, error) {
	if err := a.c.bw.Flush(); err != nil {
		return nil, a.broken(err)
	}
	fault.Point("imap.sent")
	for range maxUntagged {
		r, err := a.c.read(a.c.o.AppendTimeout, nil)
		if err != nil {
			return nil, err
		}
		if r.tag == "*" || r.tag == a.c.aside {
			continue
		}
		if r.tag != "+" && !a.note(r) {
			break
		}
		return r, nil
	}
	return nil, a.c.lost(errProtocol)
}

// note notes the outcome of the command that a reply belongs to; false if it belongs to none.
func (a *appending) note(r *reply) bool {
	for i, f := range a.pending {
		if f.tag != r.tag {
			continue
		}
		a.pending = append(a.pending[:i:i], a.pending[i+1:]...)
		if r.name == "OK" {
			fault.Point("imap.stored")
			stored(f.msgs, r)
			return true
		}
		for _, m := range f.msgs {
			m.Refusal, m.grouped = &refusal{StageAppend, r}, len(f.msgs) > 1
			m.Doubt = m.Doubt && m.grouped // a group may be stored in part
		}
		return true
	}
	return false
}

// stored notes messages that the server has, and their UIDs if it tells them
// (RFC 4315 section 3). They are the same again after a retry.
func stored(msgs []*message, r *reply) {
	validity, uids := appendUID(r, len(msgs))
	for i, m := range msgs {
		at := copyAt{validity: validity}
		if uids != nil {
			at.uid = uids[i]
		}
		m.arrived(at)
	}
}

// appendUID reads APPENDUID; nil unless it has n UIDs.
func appendUID(r *reply, n int) (validity uint32, uids []uint32) {
	v, set, ok := strings.Cut(r.args, " ")
	val, err := strconv.ParseUint(v, 10, 32)
	if r.code != "APPENDUID" || !ok || err != nil || val == 0 {
		return 0, nil
	}
	uids, ok = uidSet(set, n)
	if !ok || len(uids) != n {
		return 0, nil
	}
	return uint32(val), uids
}
