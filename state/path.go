package state

import (
	"fmt"
	"path/filepath"
	"strings"
)

const (
	dbSuffix     = ".db"
	statusSuffix = ".status"
)

// Path returns the state file of the maildrop id in dir: DIR/<escaped id>.db.
// The escape is reversible, keeps letter case, and makes any id one file name:
// bytes outside letters, digits and "@._+=,-" become %XX, and so does a
// leading dot.
func Path(dir, id string) string { return filepath.Join(dir, escape(id)+dbSuffix) }

// StatusPath returns the status file of the maildrop id in dir.
func StatusPath(dir, id string) string { return filepath.Join(dir, escape(id)+statusSuffix) }

func escape(id string) string {
	if id == "" {
		return "%" // no other id gives this
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; plain(c) && (i > 0 || c != '.') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("@._+=,-", c) >= 0
}
