package content

import (
	"bytes"
	"io"
)

// Unix writes a message with LF line ends to W, and sums it up. Write never fails, so
// that a message is read to its end also if W does: End tells.
type Unix struct {
	W io.Writer
	*Summer
	cr  bool
	err error
	// written counts bytes, of which another attempt skips those before.
	written, skip int64
}

// Again makes it ready for the same message from its start, of which W has a part.
func (out *Unix) Again() *Unix {
	out.Reset()
	out.cr, out.skip = false, out.written
	return out
}

// Write implements io.Writer for what comes from a server: CRLF is a line end.
func (out *Unix) Write(p []byte) (int, error) {
	_, _ = out.Summer.Write(p)
	n := len(p)
	if out.cr && n > 0 && p[0] != '\n' {
		out.put([]byte{'\r'})
	}
	if out.cr = n > 0 && p[n-1] == '\r'; out.cr {
		p = p[:n-1]
	}
	out.put(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return n, nil
}

func (out *Unix) put(p []byte) {
	n := min(out.skip, int64(len(p)))
	out.skip -= n
	if p = p[n:]; out.err == nil && len(p) > 0 {
		_, out.err = out.W.Write(p)
		out.written += int64(len(p))
	}
}

// End writes what was held back, and returns the error of W.
func (out *Unix) End() error {
	if out.cr {
		out.put([]byte{'\r'})
	}
	return out.err
}
