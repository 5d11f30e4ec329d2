//go:build !unix

package watch

import "os"

// Signals delivers nothing: this system has no such signals.
func Signals() (hup, usr1 chan os.Signal, stop func()) { return nil, nil, func() {} }

// End is never called: nothing delivers SIGHUP.
func End() {}
