//go:build !windows

package pop3

import "syscall"

const (
	errnoRefused = syscall.ECONNREFUSED
	errnoNoHost  = syscall.EHOSTUNREACH
	errnoNoNet   = syscall.ENETUNREACH
	errnoReset   = syscall.ECONNRESET
	errnoPipe    = syscall.EPIPE
)
