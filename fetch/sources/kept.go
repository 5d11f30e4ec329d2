package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// kept is what the state directory has of a source: its last good list, which is
// durable, and its Status, which may be lost.
type kept struct{ dir, key string }

// keptOf depends on the command or URL, and on which of several with the same it is: they
// may differ in their headers.
func keptOf(dir string, from []config.Source, i int) kept {
	of := func(s *config.Source) string { return fmt.Sprintf("%q %q", s.Command, s.URL) }
	name := of(&from[i])
	for j := range from[:i] {
		if of(&from[j]) == of(&from[i]) {
			name += "+"
		}
	}
	sum := sha256.Sum256([]byte(name))
	return kept{dir, hex.EncodeToString(sum[:8])}
}

func (k kept) list() string { return filepath.Join(k.dir, k.key+".list") }
func (k kept) file() string { return filepath.Join(k.dir, k.key+".json") }

// read returns the last good list.
func (k kept) read() ([]byte, error) { return os.ReadFile(k.list()) }

// since is when the source printed its last good list.
func (k kept) since() time.Time {
	if s := k.status(); !s.Good.IsZero() {
		return s.Good
	}
	st, err := os.Stat(k.list())
	if err != nil {
		return time.Now()
	}
	return st.ModTime()
}

// write keeps a list, mode 0600, if it differs from the last one.
func (k kept) write(data, last []byte) error {
	if last != nil && bytes.Equal(data, last) {
		return nil
	}
	if err := durable.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	return durable.WriteFile(k.list(), data)
}

// status returns what is remembered of the source.
func (k kept) status() (s Status) {
	text, err := os.ReadFile(k.file())
	if err == nil {
		_ = json.Unmarshal(text, &s) // damaged: nothing is remembered
	}
	return s
}

// note remembers what became of the source, and returns it.
func (k kept) note(l *List) Status {
	s := k.status()
	s.Source, s.Tried, s.Accounts, s.Rejected = l.Name, time.Now(), l.Accounts, len(l.Rejected)
	s.Error, s.Failing = "", l.Err != nil
	for _, err := range l.Errs() {
		s.Error = first(err)
		break
	}
	if !s.Failing {
		s.Good = s.Tried
	}
	text, err := json.Marshal(s)
	if err == nil && os.MkdirAll(k.dir, 0o700) == nil {
		_ = durable.Swap(k.file(), 0o600, append(text, '\n')) // advice only
	}
	return s
}

// first is the first line of an error.
func first(err error) string {
	line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
	return string(line[:min(len(line), 500)])
}

// Statuses returns what is remembered of the sources of a configuration.
func Statuses(dir string, c *config.Config) (list []Status) {
	for i := range c.Elsewhere.From {
		s := keptOf(dir, c.Elsewhere.From, i).status()
		s.Source = nameOf(c, i)
		list = append(list, s)
	}
	return list
}
