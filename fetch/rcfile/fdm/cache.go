package fdm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// seen reads the cache of one account. It names neither host nor user.
func seen(_ *rcfile.Result, _ string, data []byte, a *rcfile.Account) ([]rcfile.SeenList, error) {
	return parseCache(data).Own(a), nil
}

// parseCache reads "LENGTH UID" again and again; a UID may hold any byte.
// What follows a mistake cannot be read: fdm itself gives up there.
func parseCache(data []byte) rcfile.SeenList {
	l := rcfile.SeenList{Line: 1}
	for data = bytes.TrimLeft(data, " \t\r\n\v\f"); len(data) > 0; data = bytes.TrimLeft(data, " \t\r\n\v\f") {
		length, _, blank := bytes.Cut(data[:min(len(data), 11)], []byte(" "))
		n, err := strconv.ParseUint(string(length), 10, 31)
		rest := data[min(len(length)+1, len(data)):]
		if !blank || err != nil || n < 1 || int(n) > len(rest) {
			l.Skipped = 1
			return l
		}
		l.UIDs = append(l.UIDs, rcfile.SeenUID{UID: string(rest[:n])})
		data = rest[n:]
	}
	return l
}

// busy looks for the lock file; that it exists is the lock.
func busy(r *rcfile.Result) (string, bool) {
	for _, file := range r.Locks {
		if _, err := os.Lstat(file); err == nil {
			return fmt.Sprintf("%s exists: fdm runs, or was killed; then remove it", file), true
		}
	}
	return r.NoLock, false
}
