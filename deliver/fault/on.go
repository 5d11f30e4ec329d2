//go:build faults

// Package fault names the steps at which a crash must be harmless.
//
// This is the build with the tag faults. The environment steers it:
//
//	MAILHAUL_FAULT_KILL=N      SIGKILL this process at the Nth step
//	MAILHAUL_FAULT_LOG=FILE    append each step's name to FILE, a line each
//	MAILHAUL_FAULT_ERROR=NAME  make the step NAME fail with ErrInjected
//	MAILHAUL_FAULT_MUTATE=NAME[,NAME...]  switch defects on
package fault

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled reports whether this binary was built with the tag faults.
const Enabled = true

// ErrInjected is what a failing step returns.
var ErrInjected = errors.New("injected fault")

var (
	mu        sync.Mutex
	steps     int
	killAt, _ = strconv.Atoi(os.Getenv("MAILHAUL_FAULT_KILL"))
	failing   = os.Getenv("MAILHAUL_FAULT_ERROR")
	mutations = strings.Split(os.Getenv("MAILHAUL_FAULT_MUTATE"), ",")
	logFile   = openLog()
)

func openLog() *os.File {
	name := os.Getenv("MAILHAUL_FAULT_LOG")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

// Point marks a step that is about to be taken. The name is "package.step".
func Point(name string) {
	mu.Lock()
	defer mu.Unlock()
	steps++
	if logFile != nil {
		_, _ = logFile.WriteString(name + "\n") // one write, so a kill cannot split it
	}
	if steps == killAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

// Error is Point for a step that can fail: a non-nil result stands in for the
// step's own failure.
func Error(name string) error {
	Point(name)
	if name == failing {
		return ErrInjected
	}
	return nil
}

// Mutated reports whether the named defect is switched on, to prove that the
// crash tests would catch it.
func Mutated(name string) bool { return slices.Contains(mutations, name) }
