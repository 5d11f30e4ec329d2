package fetchmail

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// seen reads a .fetchids: one line a message, for all accounts.
func seen(r *rcfile.Result, _ string, data []byte, _ *rcfile.Account) ([]rcfile.SeenList, error) {
	return r.Claim(parseFetchids(data), true), nil
}

// parseFetchids groups lines by user and host without regard to case, in the
// order of the first line of each.
func parseFetchids(data []byte) []rcfile.SeenList {
	var lists []rcfile.SeenList
	at := map[string]int{}
	bad, line := 0, 0
	for raw := range bytes.Lines(data) {
		line++
		user, host, uid, ok := fetchidsLine(strings.TrimRight(string(raw), "\r\n"))
		if !ok {
			bad++
			continue
		}
		key := strings.ToLower(user) + "\x00" + strings.ToLower(host)
		i, known := at[key]
		if !known {
			i = len(lists)
			at[key] = i
			lists = append(lists, rcfile.SeenList{Host: host, User: user, Rule: rcfile.RuleCut, Line: line})
		}
		lists[i].UIDs = append(lists[i].UIDs, rcfile.SeenUID{UID: uid, Truncated: len(uid) == rcfile.CutLength, MessageID: isMessageID(uid)})
	}
	if len(lists) > 0 {
		lists[0].Skipped = bad
	}
	return lists
}

// fetchidsEntry is USER@HOST UID. UIDs may contain @ and users blanks, so:
// the first blank behind the first @ ends the host, which the last @ before
// it starts.
var fetchidsEntry = regexp.MustCompile(`^[ \t]*([^@]*(?:@[^@ ]*)*)@([^@ ]+) [ \t]*([^ \t]+)`)

func fetchidsLine(s string) (user, host, uid string, ok bool) {
	m := fetchidsEntry.FindStringSubmatch(s)
	if m == nil || m[1] == "" {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// isMessageID recognises what fetchmail stored until 6.3 for servers without
// UIDL.
func isMessageID(s string) bool {
	return len(s) > 4 && s[0] == '<' && s[len(s)-1] == '>' && strings.Contains(s, "@")
}

// pidFiles are where fetchmail's lock may be.
func pidFiles(o rcfile.Options) []string {
	files := []string{rcfile.Under(o.Env("FETCHMAILHOME"), "fetchmail.pid"), rcfile.Under(o.Env("HOME_ETC"), ".fetchmail.pid"), rcfile.Under(o.Home, ".fetchmail.pid")}
	if o.Root {
		files = append(files, "/var/run/fetchmail.pid", "/var/run/fetchmail/fetchmail.pid")
	}
	return rcfile.NonEmpty(files)
}

// busy looks for the process that a pidfile names.
func busy(r *rcfile.Result) (string, bool) {
	for _, file := range r.Locks {
		data, err := rcfile.Load(file, 4096)
		pid := 0
		if _, bad := fmt.Sscan(string(data), &pid); err == nil && bad == nil && rcfile.Alive(pid, "fetchmail") {
			return fmt.Sprintf("fetchmail runs as process %d (%s): stop it with fetchmail --quit, so that it writes its list", pid, file), true
		}
	}
	return "", false
}
