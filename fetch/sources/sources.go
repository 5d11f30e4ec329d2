// Package sources reads accounts from where they are besides the configuration file:
// more files, commands, and URLs. What a command or URL printed last stays in the state
// directory, and stands in for it while it fails.
package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// Bounds of a source: what it may print, and how long that may take.
const (
	maxList  = 8 << 20
	maxFiles = 50_000
	limit    = time.Minute
)

// Reader reads the accounts of a configuration.
type Reader struct {
	// Dir keeps the last good list of each source.
	Dir string
	// Kept takes the kept list of a source, where there is one, instead of reading the
	// source. Look writes nothing.
	Kept, Look bool
	// Agent is the User-Agent of requests.
	Agent string
	Log   *slog.Logger
}

// adopt is config.Options.Elsewhere's.
type adopt = func(config.Document) (config.Adopted, error)

// Read hands over the lists of all that c.Elsewhere names, the files first.
func (r *Reader) Read(ctx context.Context, c *config.Config, take adopt) []List {
	lists := include(c, take)
	for i := range c.Elsewhere.From {
		lists = append(lists, r.list(ctx, c, i, take))
	}
	return lists
}

// include reads the files that the patterns name.
func include(c *config.Config, take adopt) (lists []List) {
	paths, errs := expand(c.Elsewhere.Include, c.Path)
	for _, path := range paths {
		l := List{Name: path}
		doc, err := readFile(path)
		if err == nil {
			l.Adopted, err = take(doc)
		}
		if err != nil && err != config.ErrNoAccounts && err != config.ErrNoneUsable { // a file may be empty, and its mistakes are enough
			l.Err = &Error{List: l.Name, Err: err}
		}
		lists = append(lists, l)
	}
	for _, err := range errs {
		lists = append(lists, List{Name: c.Path, Err: &Error{List: c.Path, Err: err}})
	}
	return lists
}

// expand returns the files of patterns, sorted, each once, without the hidden ones that
// editors leave, and without the configuration file itself.
func expand(patterns []string, own string) (paths []string, errs []error) {
	own, _ = filepath.Abs(own)
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("include: %s: is not a pattern of files", pattern))
		case len(found) == 0 && !strings.ContainsAny(pattern, "*?["):
			errs = append(errs, fmt.Errorf("include: %s: there is no such file", pattern))
		}
		paths = append(paths, found...)
	}
	hidden := func(p string) bool { return p == own || strings.HasPrefix(filepath.Base(p), ".") }
	slices.Sort(paths)
	paths = slices.Compact(slices.DeleteFunc(paths, hidden))
	if len(paths) > maxFiles {
		return nil, append(errs, fmt.Errorf("include: more than %d files", maxFiles))
	}
	return paths, errs
}

func readFile(path string) (doc config.Document, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return doc, reason(err)
	}
	if !st.Mode().IsRegular() {
		return doc, errors.New("is not a regular file") // to open a FIFO would block
	}
	f, err := os.Open(path)
	if err != nil {
		return doc, reason(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err == nil && len(data) > maxList {
		err = errTooLong
	}
	return config.Document{Name: path, Dir: filepath.Dir(path), Data: data, Trusted: true, Mode: st.Mode()}, err
}

// reason leaves out what the caller names: operation and path.
func reason(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

var errTooLong = fmt.Errorf("is longer than %d MiB", maxList>>20)

// nameOf is what messages call a source.
func nameOf(c *config.Config, i int) string {
	return fmt.Sprintf("accounts_from[%d] (%s)", i, c.Elsewhere.From[i].Label())
}

// list reads one source, or takes what it printed last.
func (r *Reader) list(ctx context.Context, c *config.Config, i int, take adopt) List {
	s := &c.Elsewhere.From[i]
	k := keptOf(r.Dir, c.Elsewhere.From, i)
	dir, _ := filepath.Abs(filepath.Dir(c.Path))
	doc := config.Document{Name: nameOf(c, i), Dir: dir, Trusted: s.Trusted}
	l := List{Name: doc.Name}
	last, lastErr := k.read()
	if r.Kept && lastErr == nil {
		doc.Data = last
		l.Adopted, _ = take(doc) // what is wrong was said when it was read
		return l
	}
	var err error
	if doc.Data, err = r.fetch(ctx, s); err == nil {
		l.Adopted, err = take(doc)
	}
	if err == nil && !r.Look {
		if err := k.write(doc.Data, last); err != nil {
			r.Log.Warn("list of accounts not kept", "source", l.Name, "err", err)
		}
	}
	if err != nil {
		failed := &Error{List: l.Name, Err: err}
		if doc.Data = last; lastErr == nil {
			if old, err := take(doc); err == nil {
				l.Accounts, failed.Since = old.Accounts, k.since()
			}
		}
		l.Err = failed
	}
	if !r.Look {
		k.note(&l)
	}
	return l
}
