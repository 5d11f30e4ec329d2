//go:build unix

package logging

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// onJournal reports whether w is the stream that systemd's JOURNAL_STREAM
// (device:inode) names: a process that has redirected its stderr inherits the
// variable all the same.
func onJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && fmt.Sprintf("%d:%d", st.Dev, st.Ino) == stream
}
