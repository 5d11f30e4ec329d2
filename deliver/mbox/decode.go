package mbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// decoder is the reverse of encoder: from the form in the file to the message
// that was delivered, in one pass.
type decoder struct {
	format Format
	raw    bool // leave MBOXO's quoting in place
	r      *bufio.Reader
	put    func(p []byte, atStart bool) error // a piece of a line, never empty

	inHeader bool
}

// run decodes what r gives: a message without its separator line and without
// the blank line after it.
func (d *decoder) run() error {
	d.inHeader = true
	first := true
	for {
		ahead, err := d.r.Peek(1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.line(ahead[0], first); err != nil {
			return err
		}
		first = false
	}
}

func (d *decoder) line(c byte, first bool) error {
	start, drop := true, false
	if d.format == MBOXCL2 && d.inHeader {
		drop = d.length(first)
	}
	if c == '>' && quoting(d.format, d.inHeader) && !(d.raw && d.format == MBOXO) {
		var err error
		if start, err = d.unquote(); err != nil {
			return err
		}
	}
	for {
		piece, err := d.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return err
		}
		if start && string(piece) == "\n" {
			d.inHeader = false
		}
		if len(piece) > 0 && !drop {
			if perr := d.put(piece, start); perr != nil {
				return perr
			}
		}
		if err == nil || errors.Is(err, io.EOF) {
			return nil
		}
		start = false
	}
}

// length handles a Content-Length line: ours, the first, is dropped; another
// one gets the name back that it had.
func (d *decoder) length(first bool) (drop bool) {
	ahead, _ := d.r.Peek(maxFieldName)
	if !isContentLength(ahead) {
		return false
	}
	if len(ahead) > len(renamed) && bytes.EqualFold(ahead[:len(renamed)], []byte(renamed)) {
		_, _ = d.r.Discard(len(renamed)) // was peeked at
		return false
	}
	return first
}

// unquote drops one ">" of a quoted line. It holds the first one back until it
// is known what follows the others.
func (d *decoder) unquote() (atStart bool, err error) {
	if d.format == MBOXO {
		if next, _ := d.r.Peek(len(quotedFrom)); string(next) == quotedFrom {
			_, _ = d.r.Discard(1)
		}
		return true, nil
	}
	atStart = true
	_, _ = d.r.Discard(1) // the one held back
	for {
		next, _ := d.r.Peek(len(from))
		if string(next) == from {
			return atStart, nil
		}
		if err := d.put([]byte(">"), atStart); err != nil {
			return false, err
		}
		atStart = false
		if len(next) == 0 || next[0] != '>' {
			return false, nil
		}
		_, _ = d.r.Discard(1)
	}
}
