package fetchmail

import (
	"bytes"
	"fmt"
	"strconv"
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

// fetchidsLine splits USER@HOST UID. UIDs may contain @ and users blanks, so:
// the first blank behind the first @ ends the host, which the last @ before
// it starts.
func fetchidsLine(s string) (user, host, uid string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	at := strings.IndexByte(s, '@')
	if at < 0 {
		return "", "", "", false
	}
	blank := strings.IndexByte(s[at:], ' ')
	if blank < 0 {
		return "", "", "", false
	}
	blank += at
	at = strings.LastIndexByte(s[:blank], '@')
	uid = strings.TrimLeft(s[blank:], " \t")
	if end := strings.IndexAny(uid, " \t"); end >= 0 {
		uid = uid[:end]
	}
	return s[:at], s[at+1 : blank], uid, at > 0 && at+1 < blank && uid != ""
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
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data))
		if len(fields) == 0 {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err == nil && rcfile.Alive(pid, "fetchmail") {
			return fmt.Sprintf("fetchmail runs as process %d (%s): stop it with fetchmail --quit, so that it writes its list", pid, file), true
		}
	}
	return "", false
}
