//go:build unix

package term

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// screenSignals are those that concern who draws on a whole terminal.
type screenSignals struct{ c chan os.Signal }

func newScreenSignals() *screenSignals {
	s := &screenSignals{make(chan os.Signal, 4)}
	signal.Notify(s.c, unix.SIGWINCH, unix.SIGTSTP, unix.SIGQUIT)
	return s
}

func (s *screenSignals) stop() { signal.Stop(s.c) }

// resized reports whether a signal says that the terminal has another size.
func (s *screenSignals) resized(sig os.Signal) bool { return sig == unix.SIGWINCH }

// obey does what a signal does by itself: it stops the process until it goes on,
// or ends it.
func (s *screenSignals) obey(sig os.Signal) {
	switch {
	case sig == unix.SIGQUIT:
		signal.Reset(sig)
		_ = unix.Kill(unix.Getpid(), unix.SIGQUIT)
		select {} // any thread may take it, and takes its time to end the process
	case hasShell():
		goesOn := make(chan os.Signal, 1)
		signal.Notify(goesOn, unix.SIGCONT)
		defer signal.Stop(goesOn)
		_ = unix.Kill(unix.Getpid(), unix.SIGSTOP) // the runtime does not give SIGTSTP its default back
		<-goesOn
	}
}

// hasShell reports whether a shell with job control started us, which can make us
// go on: without one SIGTSTP stops nothing (POSIX: an orphaned process group).
func hasShell() bool {
	own, _ := unix.Getsid(0)
	session, err := unix.Getsid(unix.Getppid())
	group, _ := unix.Getpgid(unix.Getppid())
	return err == nil && session == own && group != unix.Getpgrp()
}
