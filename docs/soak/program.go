package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is mailhaul's loop.
type program struct {
	binary, dir string
	kills       int

	mu      sync.Mutex
	cmd     *exec.Cmd
	inCalm  bool
	most    int64   // of all samples
	samples []int64 // since the last kill
}

func (p *program) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.binary, "--config", filepath.Join(p.dir, "config.yaml"), "loop")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = cmd
	return nil
}

func (p *program) running() *exec.Cmd {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd
}

// kill ends it as a power cut does.
func (p *program) kill() {
	cmd := p.running()
	if cmd == nil || cmd.ProcessState != nil {
		return
	}
	p.kills++
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// calm notes that it is no longer killed.
func (p *program) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inCalm = true
}

// terminate ends it as systemd does.
func (p *program) terminate() (int, error) {
	cmd := p.running()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), nil
}

// watch samples the memory until ctx is done.
func (p *program) watch(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rss := resident(p.running().Process.Pid)
		p.mu.Lock()
		p.most = max(p.most, rss)
		if p.inCalm && rss > 0 {
			p.samples = append(p.samples, rss)
		}
		p.mu.Unlock()
	}
}

// resident is a process's memory in bytes; 0 if it is not known.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// thirds are the medians of the first and the last third of the calm part.
func (p *program) thirds() (first, last int64) {
	n := len(p.samples) / 3
	if n == 0 {
		return 0, 0
	}
	median := func(s []int64) int64 {
		s = slices.Sorted(slices.Values(s))
		return s[len(s)/2]
	}
	return median(p.samples[:n]), median(p.samples[2*n:])
}

func (p *program) grown() int64 {
	first, last := p.thirds()
	return last - first
}

func (p *program) memory() string {
	first, last := p.thirds()
	const mib = 1 << 20
	return fmt.Sprintf("at most %.1f MiB; without kills %.1f MiB at first, %.1f MiB at last",
		float64(p.most)/mib, float64(first)/mib, float64(last)/mib)
}
