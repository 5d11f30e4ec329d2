package gmail

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

var errNoRaw = errors.New("the answer has no message in it")

// rawReader reads the member raw of a JSON object, decoded, without holding it: a
// message may have 150 MiB.
func rawReader(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 32<<10)
	depth, name := 0, ""
	for {
		c, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			err = errNoRaw
		}
		if err != nil {
			return nil, err
		}
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			if depth == 1 && name == "raw:" {
				return base64.NewDecoder(base64.RawURLEncoding, &alphabet{in: in}), nil
			}
			if name, err = word(in); err != nil {
				return nil, err
			}
		case ':':
			name += ":"
		case ',':
			name = ""
		}
	}
}

// word reads a JSON string whose opening quote is read; of a long one the start.
func word(in *bufio.Reader) (string, error) {
	var text []byte
	for {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return "", err
		case c == '"':
			return string(text), nil
		case c == '\\':
			_, err = in.Discard(1)
		}
		if err != nil {
			return "", err
		}
		if len(text) < 8 {
			text = append(text, c)
		}
	}
}

// alphabet passes the base64 of a JSON string on up to its closing quote, in the form
// without padding that may be written as an escape, and with either alphabet.
type alphabet struct {
	in   *bufio.Reader
	done bool
}

// Read implements io.Reader.
func (a *alphabet) Read(p []byte) (n int, err error) {
	for n < len(p) && !a.done {
		c, err := a.in.ReadByte()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
		switch c {
		case '"':
			a.done = true
			continue
		case '=':
			continue
		case '\\': // \u003d is padding; no other escape can stand here but of a slash
			if c, err = a.escape(); err != nil {
				return n, err
			}
			if c == 0 {
				continue
			}
		}
		switch c {
		case '+':
			c = '-'
		case '/':
			c = '_'
		}
		p[n] = c
		n++
	}
	if n == 0 && a.done {
		return 0, io.EOF
	}
	return n, nil
}

// escape reads what follows a backslash; 0: padding, or a line end.
func (a *alphabet) escape() (byte, error) {
	c, err := a.in.ReadByte()
	if err != nil || c == '/' {
		return c, err
	}
	if c == 'u' {
		_, err = a.in.Discard(4)
	}
	return 0, err
}

// sum reads a message and sums up what comes after the first octets; nil: it is gone.
func (a *api) sum(ctx context.Context, id string, skip int64) (*stored, error) {
	sum := content.New()
	s := new(stored)
	err := a.raw(ctx, id, func(r io.Reader) (err error) {
		sum.Reset()
		skipped, err := io.CopyN(io.Discard, r, skip)
		if err == nil {
			s.size, err = io.Copy(sum, r)
		}
		s.size += skipped
		return err
	})
	if own, ok := errors.AsType[*Error](err); ok && (own.Status == http.StatusNotFound || own.Status == http.StatusBadRequest) {
		return nil, nil // or it is a chat, or what else is no mail
	}
	s.sums = sum.Sums()
	return s, err
}

// raw reads a message, perhaps several times: the last one counts.
func (a *api) raw(ctx context.Context, id string, fn func(io.Reader) error) error {
	_, err := a.patient(ctx, "message "+remote.Clean(id), costGet, &web.Request{
		Method: http.MethodGet, URL: a.url("", "messages/"+url.PathEscape(id), url.Values{"format": {"raw"}}), Limit: 2 * maxImport,
		Into: func(body io.Reader) error {
			r, err := rawReader(body)
			if err != nil {
				return err
			}
			return fn(r)
		}})
	return err
}
