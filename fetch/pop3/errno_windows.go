package pop3

import "syscall"

// Winsock's numbers: those of package syscall are inventions on Windows.
const (
	errnoRefused syscall.Errno = 10061
	errnoNoHost  syscall.Errno = 10065
	errnoNoNet   syscall.Errno = 10051
	errnoReset   syscall.Errno = 10054
	errnoPipe    syscall.Errno = 10053
)
