//go:build !unix

package command

import "os"

// loopSignals delivers nothing: this system has no such signals.
func loopSignals() (hup, usr1 chan os.Signal, stop func()) { return nil, nil, func() {} }
