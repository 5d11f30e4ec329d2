//go:build linux

package main

import (
	"fmt"
	"time"
)

// mutations are syncs left out, each with a file system and a job that shows it.
var mutations = []struct{ name, fs, job string }{
	{"no-fsync", "ext4", "maildir, keep: none"},
	{"no-fsync", "xfs", "mbox, keep: none"},
	{"no-syncfs", "ext4", "maildir, 40 messages, keep: none"},
	{"no-syncdir-new", "ext4-nojournal", "maildir, keep: none"},
	{"no-commit-sync", "ext4", "maildir, keep: all"},
}

// prove records runs of a mailhaul that leaves a sync out. Each must be caught.
func prove(o options, faults string, parallel int) error {
	var cells []options
	for _, m := range mutations {
		c := o
		c.Recorder, c.Mutation, c.FS, c.Job, c.Time = faults, m.name, m.fs, m.job, 90*time.Second
		cells = append(cells, c)
	}
	results := spawnAll(cells, parallel, func(result) {})
	for i, r := range results {
		if len(r.Violations) == 0 {
			return fmt.Errorf("%s on %s: %d states, and none shows that a sync is missing %s", cells[i].Mutation, r.FS, r.Once+r.Again, r.Error)
		}
		fmt.Printf("%s on %s is caught at state %d\n", cells[i].Mutation, r.FS, r.Once+r.Again)
	}
	return nil
}
