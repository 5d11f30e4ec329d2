//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// survives runs mailhaul on the mounted disk as its user would after a power
// failure, and compares: each message once, every byte, a usable state, and a
// second run that changes nothing. Between is called after the first run.
func (l *lab) survives(site *site, between func()) error {
	j := site.job
	if j.seen > 0 && !site.done { // what was reported done is not done again
		if err := l.must(site, j.args(l)...); err != nil {
			return err
		}
	}
	if err := l.must(site, "fetch"); err != nil {
		return err
	}
	between()
	if err := l.complete(j, site.now()); err != nil {
		return err
	}
	before, err := l.shape(j)
	if err != nil {
		return err
	}
	retrieved := site.pop.Count("RETR")
	if err := l.must(site, "fetch"); err != nil {
		return fmt.Errorf("the second run: %w", err)
	}
	if n := site.pop.Count("RETR") - retrieved; n > 0 {
		return fmt.Errorf("the second run retrieved %d messages", n)
	}
	if after, err := l.shape(j); err != nil || after != before {
		return errors.Join(err, fmt.Errorf("the second run changed the mailbox:\n%s\nnow\n%s", before, after))
	}
	return nil
}

// complete compares each target with what was ever on the server.
func (l *lab) complete(j *job, w world) error {
	var errs []error
	for _, target := range j.targets {
		got, err := read(target, l.target(target))
		if err != nil {
			return err
		}
		count := make(map[string]int)
		for _, m := range got {
			count[string(m)]++
		}
		for _, m := range j.expected() {
			text := string(stored(target, m.Body))
			if n := count[text]; n != 1 {
				errs = append(errs, fmt.Errorf("%s: %s is there %d times%s", target, m.UID, n, onServer(w, m.UID)))
			}
			delete(count, text)
		}
		for text, n := range count {
			errs = append(errs, fmt.Errorf("%s: %d times foreign text of %d bytes: %.200q", target, n, len(text), text))
		}
	}
	return errors.Join(errs...)
}

func onServer(w world, uid string) string {
	for _, m := range w.mail {
		if m.UID == uid {
			return ", and on the server"
		}
	}
	return ", and not on the server"
}

var (
	separator = regexp.MustCompile(`(?m)^From .*\n`)
	quotable  = regexp.MustCompile(`(?m)^>*From `)
)

// stored is a message as a target keeps it.
func stored(target string, body []byte) []byte {
	text := pop3test.Canonical(body)
	if target == "mbox" {
		text = append(quotable.ReplaceAll(text, []byte(">$0")), '\n')
	}
	return text
}

// read returns all messages of a target.
func read(target, path string) (all [][]byte, err error) {
	if target == "mbox" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		at := separator.FindAllIndex(b, -1)
		if len(at) == 0 || at[0][0] > 0 {
			return [][]byte{b}, nil
		}
		for i, part := range at {
			end := len(b)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			all = append(all, b[part[1]:end])
		}
		return all, nil
	}
	for _, sub := range []string{"new", "cur"} {
		names, err := os.ReadDir(filepath.Join(path, sub))
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			b, err := os.ReadFile(filepath.Join(path, sub, n.Name()))
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// shape lists every file of the targets, with size and time.
func (l *lab) shape(j *job) (string, error) {
	var b bytes.Buffer
	err := filepath.WalkDir(filepath.Dir(l.target("")), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	return b.String(), err
}
