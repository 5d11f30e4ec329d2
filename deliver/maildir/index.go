package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Index finds delivered messages by receipt. It reads the directories once and no
// files; use one Index for many look-ups. Not for concurrent use.
type Index struct {
	path  string
	names map[string]place // by receipt
}

// place is where a message is: its base name, and "new" or "cur".
type place struct{ dir, base string }

func (p place) String() string { return filepath.Join(p.dir, p.base) }

// NewIndex reads the Maildir at path. Files that this program did not deliver
// are found by their names without flags, as Dedupe notes them.
func NewIndex(path string) (*Index, error) {
	x := &Index{path: path}
	if err := x.read(); err != nil {
		return nil, err
	}
	return x, nil
}

func (x *Index) read() error {
	x.names = make(map[string]place)
	return scan(x.path, func(receipt string, at place) bool {
		x.names[receipt] = at
		return true
	})
}

// Find returns where the message is below the Maildir ("cur/NAME:2,S").
func (x *Index) Find(receipt string) (where string, ok bool) {
	at, ok := x.names[receipt]
	return at.String(), ok
}

// Open opens the message for reading; File.Name is its path. If a mail
// reader has moved it since the directories were read, they are read again. An
// error is fs.ErrNotExist if the message is not in new/ or cur/ any more.
func (x *Index) Open(receipt string) (*os.File, error) {
	where, ok := x.Find(receipt)
	if !ok {
		return nil, notFound(x.path, receipt)
	}
	f, err := os.Open(filepath.Join(x.path, where))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := x.read(); err != nil {
		return nil, err
	}
	if where, ok = x.Find(receipt); !ok {
		return nil, notFound(x.path, receipt)
	}
	return os.Open(filepath.Join(x.path, where))
}

func notFound(path, receipt string) error {
	return fmt.Errorf("maildir %s: message %q: %w", path, receipt, fs.ErrNotExist)
}

// find returns the path of a message below the Maildir, "" if it is not there. A mail
// reader that renames it at the same time can hide it from one pass over the
// directories, so there are two passes.
func find(path, receipt string) (where string, err error) {
	for range 2 {
		err = scan(path, func(r string, at place) bool {
			if r == receipt {
				where = at.String()
			}
			return where == ""
		})
		if err != nil || where != "" {
			return where, err
		}
	}
	return "", nil
}

// receiptOf is the key by which a file is found: its receipt if we delivered it,
// otherwise its name without the flags.
func receiptOf(base string) string {
	if n, ok := parseName(base); ok {
		return n.receipt
	}
	base, _, _ = strings.Cut(base, ":")
	return base
}

// scan calls fn for each message until it returns false. new/ comes
// before cur/, the way that messages move.
func scan(path string, fn func(receipt string, at place) bool) error {
	for _, dir := range []string{"new", "cur"} {
		more, err := scanDir(filepath.Join(path, dir), func(base string) bool {
			return fn(receiptOf(base), place{dir, base})
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// scanDir reads names a few at a time: a folder may hold a million.
func scanDir(dir string, fn func(base string) bool) (more bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, base := range names {
			if !fn(base) {
				return false, nil
			}
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
