//go:build unix

package watch

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals delivers SIGHUP (read the configuration again) and SIGUSR1
// (fetch now) until stop is called.
func Signals() (hup, usr1 chan os.Signal, stop func()) {
	hup, usr1 = make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Reset(syscall.SIGHUP) // which ends other commands
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(usr1, syscall.SIGUSR1)
	return hup, usr1, func() {
		signal.Stop(hup)
		signal.Stop(usr1)
	}
}

// End ends this process as SIGTERM does.
func End() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }
