//go:build unix

package realtest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// mbox is a mailbox in one file: a line "From " before each message, an empty
// line after it, and ">" before lines of a message that begin with "From ".
type mbox struct {
	t    pop3test.TB
	path string
}

const mboxFrom = "From someone@example.org Thu Jan  1 00:00:00 1970\n"

func (m mbox) add(messages [][]byte) {
	m.t.Helper()
	f, err := os.OpenFile(m.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	for _, msg := range messages {
		text := lf(pop3test.WireForm(msg))
		text = bytes.ReplaceAll(append([]byte("\n"), text...), []byte("\nFrom "), []byte("\n>From "))[1:]
		if _, err := f.Write(append(append([]byte(mboxFrom), text...), '\n')); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := own(m.path); err != nil {
		m.t.Fatal(err)
	}
}

// kept reads the mailbox. The empty line after a message that is a header only
// is where that header ends.
func (m mbox) kept() (out [][]byte) {
	m.t.Helper()
	data, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	data = bytes.TrimSuffix(append([]byte("\n"), data...), []byte("\n"))
	for _, text := range bytes.Split(data, []byte("\n"+mboxFrom))[1:] {
		if !bytes.Contains(text, []byte("\n\n")) {
			text = append(text, '\n')
		}
		out = append(out, crlf(text))
	}
	return out
}
