//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// cell is one file system with one job.
type cell struct {
	lab    *lab
	job    *job
	rng    *rand.Rand
	end    time.Time
	proof  bool // ends at the first violation
	keep   string
	result *result
}

func newCell(l *lab, j *job, o options, r *result) *cell {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(len(o.FS+o.Job))))
	return &cell{lab: l, job: j, rng: rng, proof: o.Mutation != "", keep: o.Keep, result: r}
}

func (c *cell) over() bool {
	return time.Now().After(c.end) || c.proof && len(c.result.Violations) > 0
}

// run records the job until the time is over, by turns on an empty disk and
// after an earlier run, and tries the states of each recording.
func (c *cell) run() error {
	for n := 0; !c.over(); n++ {
		j := *c.job
		j.before = n % 2 * len(j.mail) / 2
		r, err := c.lab.record(&j, c.rng)
		if err != nil {
			return fmt.Errorf("recording: %w", err)
		}
		c.result.Points += len(r.points())
		for k := range r.cuts(c.rng, c.lab.fs.tear, 3) {
			if c.over() {
				break
			}
			c.try(&j, r, k)
		}
	}
	return nil
}

// try runs the recovery on one state and, one time in four, on what is left if
// the power fails again meanwhile.
func (c *cell) try(j *job, r *recording, k cut) {
	w := r.outside[k.world]
	again := &recording{base: k.image, outside: []world{w}}
	c.result.Once++
	c.lab.disk.load(k.image)
	c.lab.disk.record(func() int { return len(again.outside) - 1 })
	err := c.lab.mounted(true, func() error {
		return c.lab.survives(j, w, func(s *site) {
			again.log = c.lab.disk.stop()
			again.saw(s)
		})
	})
	if err != nil {
		c.violated(k, err)
		return
	}
	if c.rng.IntN(4) > 0 {
		return
	}
	for second := range again.cuts(c.rng, c.lab.fs.tear, 1) {
		c.result.Again++
		second.name = k.name + "; then " + second.name
		if err := c.tryAgain(j, again, second); err != nil {
			c.violated(second, err)
		}
		break
	}
}

func (c *cell) tryAgain(j *job, r *recording, k cut) error {
	c.lab.disk.load(k.image)
	return c.lab.mounted(true, func() error {
		return c.lab.survives(j, r.outside[k.world], func(*site) {})
	})
}

// violated notes what went wrong, and keeps the disk for a look.
func (c *cell) violated(k cut, err error) {
	if errors.Is(err, errDisk) {
		c.result.Broken++
	} else {
		c.result.Violations = append(c.result.Violations, fmt.Sprintf("%s: %v", k.name, err))
	}
	if c.keep == "" {
		return
	}
	n := len(c.result.Violations) + c.result.Broken
	name := filepath.Join(c.keep, fmt.Sprintf("%s-%d-%d", c.lab.fs.name, os.Getpid(), n))
	note := []byte(k.name + "\n" + err.Error())
	if err := errors.Join(k.image.save(name+".img", c.lab.disk.size), os.WriteFile(name+".txt", note, 0o600)); err != nil {
		fmt.Fprintln(os.Stderr, "powerloss:", err)
	}
}
