//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fetch is an entrant that retrieves a whole mailbox into a new place.
type fetch struct {
	tool   string
	label  string // the tool's name if empty
	box    string // user
	n      int
	tls    bool
	delete bool
	mbox   bool
	smtp   int
	rounds int
	via    *box // instead of the server itself
	before func() error
}

// entrants leaves out tools that are not installed.
func (l *lab) entrants(fetches ...fetch) []entrant {
	var out []entrant
	for _, f := range fetches {
		t, ok := l.tool(f.tool)
		if !ok {
			continue
		}
		if f.label == "" {
			f.label = f.tool
		}
		out = append(out, entrant{name: f.label, messages: f.n, rounds: f.rounds, run: func() (sample, error) {
			return l.runFetch(t, f)
		}})
	}
	return out
}

func (l *lab) runFetch(t tool, f fetch) (sample, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return sample{}, err
		}
	}
	dir, err := l.fresh()
	if err != nil {
		return sample{}, err
	}
	defer l.discard(dir)
	j := job{from: l.box(f.box, f.tls), delete: f.delete, dir: dir}
	if f.via != nil {
		j.from.host, j.from.port = f.via.host, f.via.port
	}
	switch {
	case f.smtp != 0:
		j.to.smtp = f.smtp
	case f.mbox:
		j.to.mbox = filepath.Join(dir, "mbox")
	default:
		j.to.maildir = filepath.Join(dir, "Maildir")
		if err := makeMaildir(j.to.maildir); err != nil {
			return sample{}, err
		}
	}
	cmd, err := t.command(t.program, j)
	if err != nil {
		return sample{}, err
	}
	s, err := l.measure(cmd)
	if err != nil {
		return s, err
	}
	return s, arrived(j, f.n)
}

func makeMaildir(path string) error {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// arrived checks that a Maildir has the messages: who skips work wins nothing.
func arrived(j job, want int) error {
	if j.to.maildir == "" {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(j.to.maildir, "new"))
	if err != nil {
		return err
	}
	n := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("%d messages arrived, not %d", n, want)
	}
	return nil
}

// largerOf is the larger of two limits: what no retriever can beat.
func largerOf(a, b *result) *result {
	if a.wall() > b.wall() {
		return a
	}
	return b
}
