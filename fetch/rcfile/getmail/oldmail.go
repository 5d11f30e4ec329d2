package getmail

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// oldmailName is the file of the list of an account.
func oldmailName(server string, port int, user string) string {
	s := fmt.Sprintf("oldmail-%s-%d-%s", server, port, user)
	return regexp.MustCompile(`[/:;<>|]+`).ReplaceAllString(s, "-")
}

// oldmailFile finds that file: beside the rc file, or in the default
// directories if the rc file was given by a path.
func oldmailFile(o rcfile.Options, rc, name string) string {
	beside := filepath.Join(filepath.Dir(rc), name)
	p, err := rcfile.First(beside, rcfile.Under(o.ConfigHome(), "getmail", name), rcfile.Under(o.Home, ".getmail", name))
	if err != nil {
		return beside
	}
	return p
}

// seen reads an oldmail file: one account's list, found by the file's name.
func seen(r *rcfile.Result, file string, data []byte, a *rcfile.Account) ([]rcfile.SeenList, error) {
	for _, b := range r.Accounts {
		if filepath.Base(file) == filepath.Base(b.SeenFile) {
			a = b
		}
	}
	return parseOldmail(data).Own(a), nil
}

// parseOldmail reads lines of UID, NUL, time. Other lines are skipped.
func parseOldmail(data []byte) rcfile.SeenList {
	l := rcfile.SeenList{Rule: rcfile.RuleSlash, Line: 1}
	for raw := range bytes.Lines(data) {
		line := strings.Trim(string(raw), " \t\r\n\v\f")
		uid, at, ok := strings.Cut(line, "\x00")
		n, err := strconv.ParseInt(strings.TrimSpace(at), 10, 64)
		if !ok || err != nil || uid == "" || strings.Count(uid, "/") == 2 {
			if line != "" {
				l.Skipped++
			}
			continue
		}
		l.UIDs = append(l.UIDs, rcfile.SeenUID{UID: uid, FirstSeen: rcfile.UnixTime(n), Ambiguous: strings.Contains(uid, "-")})
	}
	return l
}

// busy cannot know: getmail has no lock.
func busy(*rcfile.Result) (string, bool) {
	return "getmail has no lock: make sure that it does not run", false
}
