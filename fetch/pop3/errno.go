package pop3

import (
	"errors"
	"io"
	"syscall"
)

func isErrno(err error, want syscall.Errno) bool {
	var got syscall.Errno
	return errors.As(err, &got) && got == want
}

// hungUp reports whether err says that the other side ended the connection,
// regularly or by a reset: which of the two is seen is a matter of chance.
func hungUp(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || isErrno(err, errnoReset) || isErrno(err, errnoPipe)
}
