package pop3

import "fmt"

// SizeRecord is how reliable a server's sizes are: it counts messages whose size in
// LIST was right with CRLF or with LF as the line end, and messages whose size was
// wrong by little (Near) or much (Off) although their end was proved. A message
// that fits both line ends does not count. The zero value knows nothing.
type SizeRecord struct {
	CRLF, LF, Near, Off int
	// Usual is by how many octets LIST exceeds most messages.
	Usual int
}

// sizesKept bounds the record, so that it follows a server that changes.
const sizesKept = 64

// estimates reports whether the server only estimates: it is far off and hardly
// ever right.
func (s *SizeRecord) estimates() bool { return s.Off >= 3 && s.Off > 4*(s.CRLF+s.LF) }

// inexact reports whether most of the server's sizes are wrong.
func (s *SizeRecord) inexact() bool { return s.Near+s.Off >= 3 && s.Near+s.Off > 4*(s.CRLF+s.LF) }

// known reports whether the server's sizes have been right before.
func (s *SizeRecord) known() bool { return s.CRLF+s.LF > 0 && !s.inexact() }

func (s *SizeRecord) vote(count *int) {
	if *count++; s.CRLF+s.LF+s.Near+s.Off > sizesKept {
		s.CRLF, s.LF, s.Near, s.Off = s.CRLF/2, s.LF/2, s.Near/2, s.Off/2
	}
}

// Measure is the size of one message: what the server said and what came.
type Measure struct {
	// Listed is the size in LIST, Announced the number in the reply to RETR; -1:
	// none, or one that no message can have.
	Listed, Announced int64
	// Octets were received, with CRLF line ends and without dot-stuffing, in Lines.
	Octets, Lines int64
	// Dots is the number of lines that began with a doubled dot, and Bare of
	// those that began with a single one, which no server may send.
	Dots, Bare int64
	// Replies is the number of lines that look like a reply. Ahead means that
	// RETR was sent for other messages, whose reply such a line may be.
	Replies int64
	Ahead   bool
}

// plausible is size, or -1 if no message has it.
func plausible(size int64) int64 {
	if size < 2 || size >= 1<<40 {
		return -1
	}
	return size
}

// differs is by how much LIST exceeds the message, counted with CRLF and with LF.
func (m Measure) differs() (crlf, lf int64) {
	return m.Listed - m.Octets, m.Listed - (m.Octets - m.Lines)
}

// agrees reports whether LIST is right, apart from the last line end or the
// terminator. A message that was cut at a lone dot, before a line that looks like
// a reply, lacks more: at least 8 octets, or 6 where LF is counted.
func (m Measure) agrees() (crlf, lf bool) {
	if m.Listed < 0 || m.Bare > 0 {
		return false, false
	}
	c, l := m.differs()
	return c == 0 || c == -2 || c == 2 || c == 3 || c == 5, l >= -1 && l <= 1
}

// fits reports whether the size shows that the message is whole, at a server with
// that record. If another message's reply may be in it, not one octet may be too
// many.
func (m Measure) fits(s *SizeRecord) bool {
	crlf, lf := m.agrees()
	c, l := m.differs()
	if s.known() || m.Ahead && m.Replies > 0 {
		usual := int64(s.Usual)
		crlf = crlf && (c == usual || c == usual-2 && m.Replies == 0)
		lf = lf && (l == usual || l == usual-1 && m.Replies == 0)
	}
	return (crlf && (s.CRLF > 0 || s.LF == 0) || lf && (s.LF > 0 || s.CRLF == 0)) && !m.unstuffed(s)
}

// unstuffed reports whether dots that began lines may be missing: lines began with
// a doubled dot, and the message lacks about as much as some of these weigh.
func (m Measure) unstuffed(s *SizeRecord) bool {
	if m.Dots == 0 || m.Listed < 0 || s.inexact() {
		return false
	}
	const terminator = 5 // octets that LIST may count besides
	crlf, lf := m.differs()
	crlf -= int64(s.Usual)
	lf -= int64(s.Usual)
	lacks := func(n int64) bool { return n > 0 && n <= m.Dots+terminator }
	return crlf != 0 && lf != 0 && m.Announced != m.Octets &&
		(lacks(crlf) && (s.CRLF > 0 || s.LF == 0) || lacks(lf) && (s.LF > 0 || s.CRLF == 0))
}

// outOfTurn reports whether the server may have mixed up the replies to pipelined
// commands.
func (m Measure) outOfTurn(s *SizeRecord) bool {
	if !m.Ahead || m.fits(s) {
		return false
	}
	other := m.Listed >= 0 && m.Announced >= 0 && m.Announced != m.Listed && m.Announced != m.Octets && m.Announced != m.Octets-m.Lines
	return m.Replies > 0 || other || m.Listed >= 0 && !s.inexact()
}

// far reports whether neither LIST nor RETR announced about the size that was
// received. Servers leave out, or count, header lines of their own.
func (m Measure) far(s *SizeRecord) bool {
	if m.shrunk(s) {
		return true
	}
	said := false
	for _, n := range []int64{m.Listed, m.Announced} {
		if n < 0 {
			continue
		}
		said = true
		short, excess := n-m.Octets, m.Octets-m.Lines-n
		if slack := s.slack(n); short <= slack && excess <= slack {
			return false
		}
	}
	return said
}

// shrunk reports whether the message is much shorter than its size in LIST, whatever
// RETR announced: a notice in place of the message, as Courier sends it without
// UTF8, is announced by its own size.
func (m Measure) shrunk(s *SizeRecord) bool {
	const notice = 1024 // octets, at most
	lacks := m.Listed - m.Octets
	return m.Listed >= 0 && !s.estimates() && lacks > s.slack(m.Listed) &&
		(s.known() || lacks > m.Listed/2+notice || m.Octets < m.Listed/4)
}

// slack is how many octets a size of n may be off.
func (s *SizeRecord) slack(n int64) int64 {
	const headerLines = 200
	switch {
	case s.estimates():
		return 64<<10 + 7*(n/8)
	case s.known():
		return headerLines
	}
	return headerLines + n/3 // some servers only estimate
}

// note records the size of a message that is proved.
func (s *SizeRecord) note(m Measure) {
	crlf, lf := m.agrees()
	c, l := m.differs()
	switch {
	case m.Listed < 0 || crlf && lf:
	case crlf:
		s.vote(&s.CRLF)
		s.noteUsual(m, c)
	case lf:
		s.vote(&s.LF)
		s.noteUsual(m, l)
	case m.far(&SizeRecord{}):
		s.vote(&s.Off)
	case m.Dots+m.Bare == 0:
		s.vote(&s.Near)
	}
}

func (s *SizeRecord) noteUsual(m Measure, usual int64) {
	if m.Dots == 0 && usual >= 0 { // a last line end may be missing now and then
		s.Usual = int(usual)
	}
}

// doubt returns why the message may not be whole, or nil.
func (m Measure) doubt(s *SizeRecord) error {
	if m.Bare > 0 || m.unstuffed(s) || m.outOfTurn(s) || m.far(s) {
		return &SizeError{m}
	}
	return nil
}

// SizeError means that a message may not be whole although the server ended it
// correctly: its size is far from the announced one, or the server did not double
// dots at the beginning of lines and some are lost.
type SizeError struct{ Measure }

// Error implements error.
func (e *SizeError) Error() string {
	switch said := max(e.Listed, e.Announced); {
	case e.Bare > 0:
		return "the message is in doubt: the server does not double the dots that begin lines, so some are lost"
	case said < 0:
		return "the message is in doubt: a reply to another command may be in it"
	default:
		return fmt.Sprintf("the message is in doubt: %d octets came where the server said %d", e.Octets, said)
	}
}
