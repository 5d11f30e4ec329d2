//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measureArg makes this program run a command and print its cost. A process
// of its own is needed for that: Linux counts the memory of the starting process
// in the peak of the new one, and ours is large.
const measureArg = "-measure"

// patience bounds one run.
const patience = 5 * time.Minute

// sample is the cost of one run.
type sample struct {
	Wall, User, Sys time.Duration
	RSS             int64 // KiB, at the peak
	Turns           int64 // that the delay proxy saw, where that was asked for
}

func (s sample) cpu() time.Duration { return s.User + s.Sys }

// measureChild runs a command and writes its sample to descriptor 3.
func measureChild(args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begun := time.Now()
	err := cmd.Run()
	s := sample{Wall: time.Since(begun)}
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.User, s.Sys = time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
		s.RSS = u.Maxrss
	}
	_ = json.NewEncoder(os.NewFile(3, "sample")).Encode(s)
	return cmd.ProcessState.ExitCode()
}

// measure runs cmd, whose exit code must be one of those given or 0.
func (l *lab) measure(cmd *exec.Cmd, codes ...int) (sample, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	syscall.Sync() // this run must not write what was prepared or removed before
	outer := exec.CommandContext(ctx, l.self, append([]string{measureArg, cmd.Path}, cmd.Args[1:]...)...)
	outer.Env, outer.Dir = cmd.Env, cmd.Dir
	var out bytes.Buffer
	outer.Stdout, outer.Stderr = &out, &out
	outer.ExtraFiles = []*os.File{w}
	err = outer.Run()
	w.Close()
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(codes, exit.ExitCode()) {
		err = nil
	}
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", cmd, err, tail(out.Bytes()))
	}
	var s sample
	return s, json.NewDecoder(r).Decode(&s)
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// entrant is one line of a contest.
type entrant struct {
	name string
	// messages is what one run handles, for rates.
	messages int
	// rounds bounds how often it runs; 0: as often as the others.
	rounds int
	// run does it once, preparations outside the sample.
	run func() (sample, error)
}

// result is an entrant's runs.
type result struct {
	entrant
	samples []sample
}

// contest runs the entrants in turn, so that a slow minute of the machine affects
// all of them. A peer may fail now and then (getmail hangs once in some thousand
// deliveries); mailhaul may not.
func (l *lab) contest(entrants []entrant) ([]*result, error) {
	results := make([]*result, len(entrants))
	for i, e := range entrants {
		results[i] = &result{entrant: e}
	}
	for round := range l.rounds {
		for _, r := range results {
			if r.rounds > 0 && round >= r.rounds {
				continue
			}
			s, err := r.run()
			if err != nil {
				if strings.HasPrefix(r.name, "mailhaul") || round == l.rounds-1 && len(r.samples) == 0 {
					return nil, fmt.Errorf("%s: %w", r.name, err)
				}
				l.Logf("%s failed, the run does not count: %v", r.name, err)
				continue
			}
			l.Logf("%-34s %8.2f s", r.name, s.Wall.Seconds())
			r.samples = append(r.samples, s)
		}
	}
	return results, nil
}

// median of one figure over the runs.
func (r *result) median(f func(sample) float64) float64 {
	var v []float64
	for _, s := range r.samples {
		v = append(v, f(s))
	}
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

func (r *result) wall() float64 { return r.median(func(s sample) float64 { return s.Wall.Seconds() }) }
func (r *result) user() float64 { return r.median(func(s sample) float64 { return s.User.Seconds() }) }
func (r *result) sys() float64  { return r.median(func(s sample) float64 { return s.Sys.Seconds() }) }
func (r *result) cpu() float64  { return r.median(func(s sample) float64 { return s.cpu().Seconds() }) }
func (r *result) rss() float64 {
	return r.median(func(s sample) float64 { return float64(s.RSS) / 1024 })
}
func (r *result) turns() float64 {
	return r.median(func(s sample) float64 { return float64(s.Turns) })
}
func (r *result) rate() float64 { return float64(r.messages) / r.wall() }
