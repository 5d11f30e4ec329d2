package fdm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// seen reads the cache of one account. It names neither host nor user.
func seen(r *rcfile.Result, file string, a *rcfile.Account) ([]rcfile.SeenList, error) {
	data, err := rcfile.Load(file, rcfile.MaxState)
	if err != nil {
		return nil, err
	}
	l := parseCache(data)
	l.Source, l.Account = file, rcfile.NameOf(a)
	if a != nil {
		l.Host, l.User = a.Host, a.User
	}
	return []rcfile.SeenList{l}, nil
}

// parseCache reads "LENGTH UID" again and again; a UID may hold any byte.
// What follows a mistake cannot be read: fdm itself gives up there.
func parseCache(data []byte) rcfile.SeenList {
	l := rcfile.SeenList{Line: 1}
	for {
		data = bytes.TrimLeft(data, " \t\r\n\v\f")
		digits := 0
		for digits < len(data) && digits < 10 && data[digits] >= '0' && data[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(string(data[:digits]))
		if len(data) == 0 {
			return l
		}
		rest := bytes.TrimPrefix(data[digits:], []byte(" "))
		if err != nil || len(rest) == len(data)-digits || n < 1 || n > len(rest) {
			l.Skipped = 1
			return l
		}
		l.UIDs = append(l.UIDs, rcfile.SeenUID{UID: string(rest[:n])})
		data = rest[n:]
	}
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
