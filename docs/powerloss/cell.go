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
		if n%2 == 1 && !j.tokens {
			j.before = 4
		}
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
	c.result.Once++
	again := &recording{base: k.image, outside: []world{r.outside[k.world]}}
	if err := c.recover(j, again, k); err != nil {
		c.violated(k, err)
		return
	}
	if c.rng.IntN(4) > 0 {
		return
	}
	for second := range again.cuts(c.rng, c.lab.fs.tear, 1) {
		c.result.Again++
		second.name = k.name + "; then " + second.name
		if err := c.recover(j, &recording{outside: []world{again.outside[second.world]}}, second); err != nil {
			c.violated(second, err)
		}
		break
	}
}

// recover mounts a state, repairs what is to be repaired, and records that.
func (c *cell) recover(j *job, r *recording, k cut) error {
	site := open(c.lab, j, r.outside[0])
	defer site.close()
	c.lab.disk.load(k.image)
	c.lab.disk.record(func() int { return r.saw(site) })
	return c.lab.mounted(true, func() error {
		return c.lab.survives(site, func() {
			r.log = c.lab.disk.stop()
			r.saw(site)
		})
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
