//go:build !unix

package term

import "os"

// screenSignals are none here: the next frame has the new size.
type screenSignals struct{ c chan os.Signal }

func newScreenSignals() *screenSignals { return &screenSignals{} }

func (*screenSignals) stop()                  {}
func (*screenSignals) resized(os.Signal) bool { return true }
func (*screenSignals) obey(os.Signal)         {}
