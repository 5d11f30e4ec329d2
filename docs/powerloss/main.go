//go:build linux

// Command powerloss cuts the power of a machine that runs mailhaul, on real
// file systems. A disk in memory, behind FUSE and a loop device, records each
// write and flush of a run, and what the server did meanwhile. Then, for each
// moment between two flushes, it makes the disks that a power failure could
// have left, mounts them, runs mailhaul again and compares.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// options are what a run of the whole and each of its workers is told.
type options struct {
	Program  string // the mailhaul that recovers
	Recorder string // the one that is recorded
	Mutation string // the defect that is switched on while recording
	FS, Job  string // of one worker; for the whole: only these
	Time     time.Duration
	Seed     uint64
	Keep     string // a directory for the disks of violations
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == workerFlag {
		serveCell(os.Args[2])
		return
	}
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "powerloss:", err)
		os.Exit(1)
	}
}

func command() error {
	var o options
	flag.StringVar(&o.FS, "fs", "", "try only this file system")
	flag.StringVar(&o.Job, "job", "", "try only jobs whose names contain this")
	flag.DurationVar(&o.Time, "time", 10*time.Minute, "how long in all, without the proof")
	flag.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "what the random choices begin with")
	flag.StringVar(&o.Keep, "keep", "", "write the disk of each violation into this directory")
	parallel := flag.Int("parallel", runtime.NumCPU(), "workers")
	proof := flag.String("proof", "", "a mailhaul built with -tags faults: first prove that missing syncs are caught")
	optional := flag.Bool("optional", false, "succeed if this machine cannot do it")
	flag.Parse()
	if flag.NArg() != 1 {
		return errors.New("usage: powerloss [flags] PATH-OF-MAILHAUL")
	}
	program, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		return err
	}
	o.Program, o.Recorder = program, program
	if err := possible(); err != nil {
		if *optional {
			fmt.Println("powerloss: skipped:", err)
			return nil
		}
		return err
	}
	fmt.Printf("powerloss: -seed %d\n", o.Seed)
	if *proof != "" {
		if err := prove(o, *proof, *parallel); err != nil {
			return err
		}
	}
	return try(o, *parallel)
}

// possible says what this machine lacks, and how to get it.
func possible() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("mounting needs root: sudo make powerloss"))
	}
	for path, how := range map[string]string{"/dev/fuse": "modprobe fuse", "/dev/loop-control": "modprobe loop"} {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err != nil {
			errs = append(errs, fmt.Errorf("%w (%s; in a container, --privileged)", err, how))
		} else {
			_ = f.Close()
		}
	}
	return errors.Join(errs...)
}

// try runs every job on every file system and prints the table.
func try(o options, parallel int) error {
	cells := plan(o)
	if len(cells) == 0 {
		return errors.New("no such file system or job")
	}
	for i := range cells {
		cells[i].Time = o.Time * time.Duration(parallel) / time.Duration(len(cells))
	}
	results := spawnAll(cells, parallel, func(r result) {
		for _, v := range r.Violations[:min(3, len(r.Violations))] {
			fmt.Printf("%s, %s: %s\n", r.FS, r.Job, v)
		}
	})
	table(results)
	return verdict(results)
}

// plan are the cells of the table: each known file system with each job.
func plan(o options) (cells []options) {
	for _, f := range fileSystems {
		if o.FS != "" && o.FS != f.name {
			continue
		}
		if why := f.missing(); why != "" {
			fmt.Printf("%s: skipped: %s\n", f.name, why)
			continue
		}
		for _, j := range jobs() {
			if strings.Contains(j.name, o.Job) {
				c := o
				c.FS, c.Job = f.name, j.name
				cells = append(cells, c)
			}
		}
	}
	return cells
}

// table prints a line for each file system.
func table(results []result) {
	fmt.Println("\n| file system | job | points | power lost once | and again | not mountable | violations |\n|---|---|---|---|---|---|---|")
	for _, f := range fileSystems {
		all := result{FS: f.name, Job: "all"}
		for _, r := range results {
			if r.FS == f.name {
				r.print()
				all.add(r)
			}
		}
		if all.Points > 0 {
			all.print()
		}
	}
}

// verdict fails if a worker could not work, or if a file system that the promise
// covers has a violation.
func verdict(results []result) error {
	var errs []error
	for _, r := range results {
		if r.Error != "" {
			errs = append(errs, fmt.Errorf("%s, %s: %s", r.FS, r.Job, r.Error))
		}
		if n := len(r.Violations); n > 0 && fileSystemOf(r.FS).covered {
			errs = append(errs, fmt.Errorf("%s, %s: %d violations", r.FS, r.Job, n))
		}
	}
	return errors.Join(errs...)
}
