package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// IDs returns the ids of the state files in dir, sorted. A missing dir holds
// none. Files whose names Path would not produce are left out.
func IDs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), dbSuffix)
		if !ok || e.IsDir() {
			continue
		}
		if id, ok := unescape(name); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func escape(id string) string {
	if id == "" {
		return "%" // never the beginning of a valid escape, so it is free
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

// unescape undoes escape and refuses what escape would not produce.
func unescape(name string) (string, bool) {
	if name == "%" {
		return "", true
	}
	var b strings.Builder
	for rest := name; rest != ""; {
		if rest[0] != '%' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		if len(rest) < 3 {
			return "", false
		}
		c, err := strconv.ParseUint(rest[1:3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		rest = rest[3:]
	}
	id := b.String()
	return id, id != "" && escape(id) == name
}
