package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	mimemultipart "mime/multipart"
	"net/textproto"
	"net/url"

	"github.com/mailhaul/mailhaul/deliver/spool"
)

// staged is one message, encoded as its request carries it.
type staged struct {
	spool.Spool
	// sum is the SHA-256 of the message as it was retrieved, with LF.
	sum  [sha256.Size]byte
	size int64 // of what is staged
}

// Write implements io.Writer: it stages what is encoded.
func (s *staged) Write(p []byte) (int, error) {
	s.Tail = append(s.Tail, p...)
	s.size += int64(len(p))
	return len(p), nil
}

// fill encodes body to its end.
func (s *staged) fill(ctx context.Context, body io.Reader, p *preset) error {
	var out io.Writer = s
	if p.form == urlencoded {
		out = escaper{s}
	}
	var end io.Closer
	if p.base64 {
		w := base64.NewEncoder(base64.StdEncoding, out)
		out, end = w, w
	}
	if !p.lf {
		out = liner{out}
	}
	sum := sha256.New()
	err := s.Fill(ctx, body, func(b []byte) {
		sum.Write(b)
		_, _ = out.Write(b) // it is in memory
	})
	if err == nil && end != nil {
		err = end.Close()
	}
	sum.Sum(s.sum[:0])
	return err
}

// liner ends lines with CRLF.
type liner struct{ w io.Writer }

// Write implements io.Writer.
func (l liner) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, next, found := bytes.Cut(rest, []byte("\n"))
		_, _ = l.w.Write(line)
		if found {
			_, _ = l.w.Write([]byte("\r\n"))
		}
		rest = next
	}
	return len(p), nil
}

// escaper escapes for application/x-www-form-urlencoded, as url.QueryEscape does.
type escaper struct{ s *staged }

// Write implements io.Writer.
func (e escaper) Write(p []byte) (int, error) {
	const digits = "0123456789ABCDEF"
	before := len(e.s.Tail)
	for _, c := range p {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			e.s.Tail = append(e.s.Tail, c)
		case c == ' ':
			e.s.Tail = append(e.s.Tail, '+')
		default:
			e.s.Tail = append(e.s.Tail, '%', digits[c>>4], digits[c&15])
		}
	}
	e.s.size += int64(len(e.s.Tail) - before)
	return len(p), nil
}

// content is the body of a request.
type content struct {
	media         string
	before, after []byte
	*staged
}

// content puts the fields of the form around the message. The same message makes the
// same body each time: services know it again by that.
func (s *staged) content(p *preset, fields []Pair) (*content, error) {
	c := &content{media: p.media, staged: s}
	switch p.form {
	case urlencoded:
		c.media = "application/x-www-form-urlencoded"
		for _, f := range fields {
			c.before = fmt.Appendf(c.before, "%s=%s&", url.QueryEscape(f.Name), url.QueryEscape(f.Value))
		}
		c.before = append(c.before, url.QueryEscape(p.field)+"="...)
	case multipart:
		return c, c.parts(p, fields)
	}
	return c, nil
}

// parts makes the parts before and behind that of the message. Nobody can write a
// message that holds its own checksum, and so the boundary.
func (c *content) parts(p *preset, fields []Pair) error {
	var b bytes.Buffer
	w := mimemultipart.NewWriter(&b)
	if err := w.SetBoundary(hex.EncodeToString(c.sum[:])); err != nil {
		return err
	}
	for _, f := range fields {
		if err := w.WriteField(f.Name, f.Value); err != nil {
			return err
		}
	}
	names := map[string]string{"name": p.field}
	if p.file != "" {
		names["filename"] = p.file
	}
	_, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {mime.FormatMediaType("form-data", names)}, "Content-Type": {p.media}})
	if err != nil {
		return err
	}
	c.media = w.FormDataContentType()
	c.before = bytes.Clone(b.Bytes())
	b.Reset()
	err = w.Close()
	c.after = b.Bytes()
	return err
}

// length is the size of the body in octets.
func (c *content) length() int64 { return int64(len(c.before)) + c.size + int64(len(c.after)) }

// open reads the body from its beginning.
func (c *content) open() io.Reader {
	parts := []io.Reader{bytes.NewReader(c.before)}
	if front := c.Front(); front != nil {
		parts = append(parts, front)
	}
	return io.MultiReader(append(parts, bytes.NewReader(c.Tail), bytes.NewReader(c.after))...)
}
