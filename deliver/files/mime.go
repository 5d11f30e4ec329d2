package files

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"

	"github.com/emersion/go-message/charset"
)

// Bounds of a message: no mail for people is over them.
const (
	maxDepth  = 20
	maxParts  = 2000
	maxHeader = 256 << 10
	// maxBoundary is more than the 70 octets of RFC 2046 section 5.1.1.
	maxBoundary = 500
)

// MIMEError says that a message cannot be read as MIME.
type MIMEError struct{ Err error }

func (e *MIMEError) Error() string { return "cannot be read as MIME: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MIMEError) Unwrap() error { return e.Err }

// part is a part of a message with a name or to be saved; its name is safe.
type part struct {
	name string
	// attached: it is an attachment; inline: it has a name and belongs to the text.
	attached, inline bool
	body             io.Reader
}

// walker goes through the parts of one message.
type walker struct {
	parts int
	take  func(*part) error
}

// walk calls take with each part of a message that may be a file.
func walk(message io.Reader, take func(*part) error) error {
	return (&walker{take: take}).message(message, 0)
}

func (w *walker) message(r io.Reader, depth int) error {
	br := bufio.NewReader(r)
	h, err := readHeader(br)
	if err != nil {
		return err
	}
	return w.entity(h.get, br, depth)
}

// entity handles one part, and what is in it.
func (w *walker) entity(get func(string) string, body io.Reader, depth int) error {
	if w.parts++; w.parts > maxParts || depth > maxDepth {
		return &MIMEError{fmt.Errorf("has more than %d parts, or parts in parts more than %d deep", maxParts, maxDepth)}
	}
	kind, params := header(get("Content-Type"))
	how, more := header(get("Content-Disposition"))
	if boundary := params["boundary"]; strings.HasPrefix(kind, "multipart/") && boundary != "" {
		return w.multipart(body, boundary, depth)
	}
	name := more["filename"]
	if name == "" {
		name = params["name"]
	}
	p := &part{body: decoded(get("Content-Transfer-Encoding"), body)}
	p.inline = name != "" && (how == "inline" || how == "" && get("Content-ID") != "")
	p.attached = !p.inline && (name != "" || how != "" && how != "inline")
	if !p.attached && !p.inline {
		if kind == "message/rfc822" {
			return w.message(p.body, depth+1)
		}
		return nil
	}
	p.name = safeName(name, kind)
	read := &counter{r: p.body}
	p.body = read
	if err := w.take(p); err != nil || kind != "message/rfc822" || read.n > 0 {
		return err
	}
	return w.message(p.body, depth+1)
}

// counter notes whether a part was taken.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	c.n++
	return c.r.Read(p)
}

func (w *walker) multipart(body io.Reader, boundary string, depth int) error {
	if len(boundary) > maxBoundary {
		return &MIMEError{errors.New("has a boundary that is too long")}
	}
	mr := multipart.NewReader(body, boundary)
	for {
		p, err := mr.NextRawPart()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // its end is often missing
			return nil
		case err != nil:
			return &MIMEError{err}
		case octets(p.Header) > maxHeader: // mime/multipart takes 10 MB in each part
			return &MIMEError{errors.New("has a header that is too long")}
		}
		if err := w.entity(p.Header.Get, lastPart{p}, depth+1); err != nil {
			return err
		}
	}
}

// octets is the size of a part's header.
func octets(h map[string][]string) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// lastPart is a part that may be the last one, without a boundary behind it.
type lastPart struct{ r io.Reader }

func (l lastPart) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// fields are those of a header that matter here. The first of a name counts.
type fields map[string]string

func (f fields) get(name string) string { return f[strings.ToLower(name)] }

// readHeader reads a header up to its empty line, and does not mind lines that are no
// fields.
func readHeader(r *bufio.Reader) (fields, error) {
	f := make(fields)
	name, size, open := "", 0, false
	for {
		line, err := r.ReadSlice('\n')
		rest := open // of a line that is longer than the buffer
		open = errors.Is(err, bufio.ErrBufferFull)
		if size += len(line); size > maxHeader {
			return nil, &MIMEError{errors.New("has a header that is too long")}
		}
		if open {
			err = nil
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch key, value, ok := strings.Cut(text, ":"); {
		case text == "" && !rest && bytes.HasSuffix(line, []byte("\n")), errors.Is(err, io.EOF):
			return f, nil
		case err != nil:
			return nil, err
		case rest:
			f[name] += text
		case text != "" && (text[0] == ' ' || text[0] == '\t'):
			f[name] += " " + strings.TrimSpace(text)
		case ok:
			name = strings.ToLower(strings.TrimSpace(key))
			if _, twice := f[name]; twice {
				name = "" // what follows is no part of the first
			}
			f[name] = strings.TrimSpace(value)
		}
	}
}

// header reads a field with parameters, also one that breaks the rules: a name is worth
// more than its form.
func header(value string) (string, map[string]string) {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		kind, _, _ = strings.Cut(value, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		params = loose(value)
	}
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	for k, v := range params {
		if text, err := d.DecodeHeader(v); err == nil {
			params[k] = text
		}
	}
	return kind, params
}

// loose finds parameters whose values lack their quotes, or are there twice.
func loose(value string) map[string]string {
	params := make(map[string]string)
	for _, field := range strings.Split(value, ";")[1:] {
		k, v, ok := strings.Cut(field, "=")
		k = strings.ToLower(strings.TrimRight(strings.TrimSpace(k), "*0"))
		if v = strings.Trim(strings.TrimSpace(v), `"`); ok && params[k] == "" {
			params[k] = v
		}
	}
	return params
}

// decoded undoes the transfer encoding (RFC 2045 section 6).
func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return decoding{base64.NewDecoder(base64.RawStdEncoding, &alphabet{r: r})}
	case "quoted-printable":
		return decoding{quotedprintable.NewReader(r)}
	}
	return r
}

// decoding makes errors of the encoding those of the message.
type decoding struct{ r io.Reader }

func (d decoding) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &MIMEError{fmt.Errorf("an attachment cannot be decoded: %w", err)}
	}
	return n, err
}

// alphabet passes on the characters of base64 and ends at the padding: other characters
// are to be ignored (RFC 2045 section 6.8).
type alphabet struct {
	r   io.Reader
	end bool
}

func (a *alphabet) Read(p []byte) (int, error) {
	for {
		n, err := a.r.Read(p)
		out := p[:0]
		for _, c := range p[:n] {
			a.end = a.end || c == '='
			if !a.end && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '+' || c == '/') {
				out = append(out, c)
			}
		}
		if len(out) > 0 || err != nil {
			return len(out), err
		}
	}
}
