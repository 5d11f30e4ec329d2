package thunderbird

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// seen reads a popstate.dat, which has a section for each account.
func seen(r *rcfile.Result, _ string, data []byte, a *rcfile.Account) ([]rcfile.SeenList, error) {
	lists := r.Claim(parsePopstate(data), true)
	if len(lists) == 1 && lists[0].Account == "" && a != nil {
		lists[0].Account = a.Name
	}
	return lists, nil
}

// parsePopstate reads "*HOST USER" and, below, "F UIDL TIME": k is kept and d
// to be deleted, both fetched; f and b are not fetched, or not whole.
func parsePopstate(data []byte) []rcfile.SeenList {
	var lists []rcfile.SeenList
	line, bad := 0, 0
	for raw := range bytes.Lines(data) {
		line++
		s := strings.TrimRight(string(raw), "\r\n")
		switch {
		case s == "" || s[0] == '#':
		case s[0] == '*':
			host, user, _ := strings.Cut(strings.TrimSpace(s[1:]), " ")
			lists = append(lists, rcfile.SeenList{Host: host, User: strings.TrimSpace(user), Line: line})
		case len(lists) == 0:
			bad++
		default:
			l := &lists[len(lists)-1]
			u, seen, ok := popstateLine(s)
			if !ok {
				l.Skipped++
			} else if seen {
				l.UIDs = append(l.UIDs, u)
			}
		}
	}
	if len(lists) > 0 {
		lists[0].Skipped += bad
	}
	return lists
}

func popstateLine(s string) (u rcfile.SeenUID, seen, ok bool) {
	if len(s) < 3 || s[1] != ' ' {
		return u, false, false
	}
	u, _ = rcfile.Stamp(s[2:])
	u.Delete = s[0] == 'd'
	if n, isNumber := rcfile.Int(u.UID); isNumber && n < 0 || u.UID == "" {
		return u, false, false
	}
	return u, s[0] == 'k' || s[0] == 'd', strings.IndexByte("kdfb", s[0]) >= 0
}

// busy looks at the profile's locks: a symbolic link to
// "ADDRESS:+PID", and a file that is locked while it runs.
func busy(r *rcfile.Result) (string, bool) {
	for _, file := range r.Locks {
		if target, err := os.Readlink(file); err == nil {
			_, pid, _ := strings.Cut(target, "+")
			n, err := strconv.Atoi(pid)
			if err == nil && rcfile.Alive(n, "") {
				return fmt.Sprintf("Thunderbird runs as process %d (%s): close it", n, file), true
			}
			continue
		}
		if filepath.Base(file) != "lock" && rcfile.Locked(file) {
			return fmt.Sprintf("Thunderbird holds %s locked: close it", file), true
		}
	}
	return "", false
}
