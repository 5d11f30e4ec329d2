package pop3

import (
	"errors"
	"syscall"
)

func isErrno(err error, want syscall.Errno) bool {
	var got syscall.Errno
	return errors.As(err, &got) && got == want
}
