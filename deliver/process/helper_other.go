//go:build !linux

package process

import "errors"

// Delegate is for systems on which a process can confine itself.
func Delegate([]Allowed) error { return errors.ErrUnsupported }

// Help reports that this process is nobody's helper.
func Help() bool { return false }
