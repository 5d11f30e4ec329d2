//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

// mutations are syncs left out, each with a file system and a job that shows it.
var mutations = []struct{ name, fs, job string }{
	{"no-fsync", "ext4", "maildir, keep: none"},
	{"no-fsync", "xfs", "mbox, keep: none"},
	{"no-fsync", "xfs", "token store"},
	{"no-syncfs", "ext4", "maildir, 40 messages, keep: none"},
	{"no-syncdir-new", "ext4-nojournal", "maildir, keep: none"},
	{"no-syncdir-tokens", "ext4-nojournal", "token store"},
	{"no-commit-sync", "ext4", "maildir, keep: all"},
	{"no-commit-sync", "ext4", "import --state"},
}

// prove records runs of a mailhaul that leaves a sync out. Each must be caught.
func prove(o options, faults string, parallel int) error {
	var cells []options
	for _, m := range mutations {
		c := o
		c.Recorder, c.Mutation, c.FS, c.Job, c.Time = faults, m.name, m.fs, m.job, 60*time.Second
		cells = append(cells, c)
	}
	var errs []error
	for i, r := range spawnAll(cells, parallel, func(result) {}) {
		name := fmt.Sprintf("%s (%s, %s)", cells[i].Mutation, r.FS, r.Job)
		if len(r.Violations) > 0 {
			fmt.Printf("%s is caught at state %d\n", name, r.Once+r.Again)
			continue
		}
		errs = append(errs, fmt.Errorf("%s: none of %d states shows that a sync is missing %s", name, r.Once+r.Again, r.Error))
	}
	return errors.Join(errs...)
}
