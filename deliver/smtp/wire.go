package smtp

import (
	"bytes"
	"context"
	"io"

	"github.com/mailhaul/mailhaul/deliver/spool"
)

// wire is one message as it goes over the wire, with the final dot at the end.
type wire struct {
	spool.Spool

	size  int64 // octets of the message as SIZE counts them (RFC 1870 section 5)
	bits  byte  // all bytes or-ed: 8-bit if >= 0x80
	begun bool  // in the middle of a line
	cr    bool  // the last byte was a CR, sent as CRLF: a LF belongs to it
}

// fill encodes body to its end.
func (m *wire) fill(ctx context.Context, body io.Reader) error {
	if err := m.Fill(ctx, body, m.encode); err != nil {
		return err
	}
	m.finish()
	return nil
}

// encode appends p with CRLF line ends and doubled leading dots.
func (m *wire) encode(p []byte) {
	for _, c := range p {
		m.bits |= c
	}
	for len(p) > 0 {
		if m.cr {
			m.cr = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		if !m.begun && p[0] == '.' {
			m.Tail = append(m.Tail, '.')
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			m.Tail = append(m.Tail, p...)
			m.size += int64(len(p))
			m.begun = true
			return
		}
		m.Tail = append(append(m.Tail, p[:i]...), '\r', '\n')
		m.size += int64(i) + 2
		m.cr = p[i] == '\r'
		m.begun = false
		p = p[i+1:]
	}
}

// finish ends the last line and appends the final dot.
func (m *wire) finish() {
	if m.begun {
		m.Tail = append(m.Tail, '\r', '\n')
		m.size += 2
	}
	m.Tail = append(m.Tail, '.', '\r', '\n')
}
