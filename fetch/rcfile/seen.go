package rcfile

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Rule says how a program remembered UIDs, and so how a server's are compared.
type Rule uint8

// The rules. RuleExact compares bytes; RuleCut knows UIDs cut at 128 bytes
// (fetchmail); RuleSlash knows / as - (getmail).
const (
	RuleExact Rule = iota
	RuleCut
	RuleSlash
)

// SeenUID is one message that the other program has fetched.
type SeenUID struct {
	// UID is as it was stored.
	UID string
	// FirstSeen is when it was first fetched; zero if that was not recorded.
	FirstSeen time.Time
	// Truncated means that only the first 128 bytes were stored.
	Truncated bool
	// Ambiguous means that a - may have been a / on the server.
	Ambiguous bool
	// MessageID means that this is no UID but the Message-ID of a message on
	// a server without UIDL.
	MessageID bool
	// Delete means that the program was going to delete the message.
	Delete bool
}

// SeenList is the list of one maildrop.
type SeenList struct {
	// Host and User are as the list names them; empty if it does not (fdm).
	Host, User string
	// Account is the name of the imported account whose list this is; empty
	// if none claims it.
	Account string
	Rule    Rule
	UIDs    []SeenUID
	// Source is the file, Line where the list starts in it.
	Source string
	Line   int
	// Skipped counts what could not be understood.
	Skipped int
}

// Seen reads the lists of messages that the other program has fetched: from
// files if any are given, else from where the configuration says they are. A
// default file that does not exist is no error, one that is given is. Lists
// that no account claims are returned too, with an empty Account.
func (r *Result) Seen(files ...string) ([]SeenList, error) {
	var lists []SeenList
	read := func(file string, a *Account, must bool) error {
		got, err := r.Format.Seen(r, file, a)
		if !must && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		lists = append(lists, got...)
		return err
	}
	for _, file := range files {
		if err := read(file, r.owner(file), true); err != nil {
			return lists, err
		}
	}
	if len(files) > 0 {
		return lists, nil
	}
	for _, file := range r.SeenFiles {
		if err := read(file, nil, false); err != nil {
			return lists, err
		}
	}
	done := map[string]bool{} // accounts may share a file
	for _, a := range r.Accounts {
		if a.Seen.File == "" || done[a.Seen.File] {
			continue
		}
		done[a.Seen.File] = true
		if err := read(a.Seen.File, a, false); err != nil {
			return lists, err
		}
	}
	return lists, nil
}

// StateFiles returns where the lists are looked for, existing or not.
func (r *Result) StateFiles() []string {
	files := append([]string(nil), r.SeenFiles...)
	for _, a := range r.Accounts {
		if a.Seen.File != "" {
			files = append(files, a.Seen.File)
		}
	}
	return files
}

// owner returns the account whose own file this is, or the only account.
func (r *Result) owner(file string) *Account {
	for _, a := range r.Accounts {
		if a.Seen.File == file {
			return a
		}
	}
	if len(r.Accounts) == 1 {
		return r.Accounts[0]
	}
	return nil
}

// Claim returns the name of the account whose list has this host and user.
func (r *Result) Claim(host, user string, fold bool) string {
	for _, a := range r.Accounts {
		if a.Seen.Host == host && a.Seen.User == user ||
			fold && strings.EqualFold(a.Seen.Host, host) && strings.EqualFold(a.Seen.User, user) {
			return a.Name
		}
	}
	return ""
}

func NameOf(a *Account) string {
	if a == nil {
		return ""
	}
	return a.Name
}

// UnixTime reads a recorded time; zero if it is not one.
func UnixTime(n int64) time.Time {
	if n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// Stamp splits "UID TIME" at the last blank.
func Stamp(s string) (uid string, at int64, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i <= 0 {
		return s, 0, false
	}
	n, err := strconv.ParseInt(s[i+1:], 10, 64)
	return s[:i], n, err == nil && n >= 0
}
