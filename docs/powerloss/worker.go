//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// workerFlag starts this program as a worker: one cell, in a mount namespace of
// its own, so that nothing stays mounted when it ends.
const workerFlag = "-worker"

// result is what one cell of the table found.
type result struct {
	FS, Job    string
	Points     int
	Once       int // states with the power lost once
	Again      int // and lost again during the recovery
	Broken     int // states in which the file system itself did not survive
	Violations []string
	Error      string
}

func (r *result) add(o result) {
	r.Points += o.Points
	r.Once += o.Once
	r.Again += o.Again
	r.Broken += o.Broken
	r.Violations = append(r.Violations, o.Violations...)
}

func (r *result) print() {
	fmt.Printf("| %s | %s | %d | %d | %d | %d | %d |\n", r.FS, r.Job, r.Points, r.Once, r.Again, r.Broken, len(r.Violations))
}

// spawnAll runs a worker for each cell, so many at a time, and reports each that ends.
func spawnAll(cells []options, parallel int, report func(result)) []result {
	results := make([]result, len(cells))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range parallel {
		wg.Go(func() {
			for i := range next {
				results[i] = spawn(cells[i])
				mu.Lock()
				report(results[i])
				mu.Unlock()
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func spawn(o options) (r result) {
	text, err := json.Marshal(o)
	if err == nil {
		cmd := exec.Command("/proc/self/exe", workerFlag, string(text))
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		cmd.Stderr = os.Stderr
		var out []byte
		if out, err = cmd.Output(); err == nil {
			err = json.Unmarshal(out, &r)
		}
	}
	if err != nil {
		r = result{FS: o.FS, Job: o.Job, Error: err.Error()}
	}
	return r
}

// serveCell is a worker's whole life.
func serveCell(text string) {
	var o options
	err := json.Unmarshal([]byte(text), &o)
	r := &result{FS: o.FS, Job: o.Job}
	if err == nil {
		err = work(o, r)
	}
	if err != nil {
		r.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(r) // the parent sees what is missing
}

func work(o options, r *result) error {
	dir, err := os.MkdirTemp("", "powerloss")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := newLab(dir, fileSystemOf(o.FS), o)
	if err != nil {
		return err
	}
	defer syscall.Unmount(filepath.Join(dir, "fuse"), syscall.MNT_DETACH) //nolint:errcheck // the namespace ends with this process
	defer l.dev.file.Close()
	c := newCell(l, jobOf(o.Job), o, r)
	c.end = time.Now().Add(o.Time)
	return c.run()
}
