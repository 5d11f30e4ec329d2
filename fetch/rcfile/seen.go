package rcfile

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Rule is how a program stored UIDs, and so how to compare a server's.
type Rule uint8

// The rules: RuleExact compares bytes; RuleCut is for UIDs cut at 128 bytes
// (fetchmail); RuleSlash is for / stored as - (getmail).
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
	// Skipped counts unreadable entries.
	Skipped int
}

// Seen reads the lists of messages that the other program has fetched: from
// files if any are given, else from where the configuration says they are. A
// missing default file is not an error, a missing given file is. Lists
// without an account are in the result, too, with an empty Account.
func (r *Result) Seen(files ...string) ([]SeenList, error) {
	var lists []SeenList
	named := len(files) > 0
	if !named {
		files = r.StateFiles()
	}
	for _, file := range files {
		got, err := r.seen(file)
		if !named && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if lists = append(lists, got...); err != nil {
			return lists, err
		}
	}
	return lists, nil
}

func (r *Result) seen(file string) ([]SeenList, error) {
	data, err := Load(file, maxState)
	if err != nil {
		return nil, err
	}
	lists, err := r.Format.Seen(r, file, data, r.owner(file))
	for i := range lists {
		lists[i].Source = file
	}
	return lists, err
}

// StateFiles returns where the lists are looked for, existing or not.
func (r *Result) StateFiles() []string {
	files := slices.Clone(r.SeenFiles)
	for _, a := range r.Accounts {
		if a.SeenFile != "" && !slices.Contains(files, a.SeenFile) { // accounts may share one
			files = append(files, a.SeenFile)
		}
	}
	return files
}

// owner returns the account whose own file this is, or the only account.
func (r *Result) owner(file string) *Account {
	for _, a := range r.Accounts {
		if a.SeenFile == file {
			return a
		}
	}
	if len(r.Accounts) == 1 {
		return r.Accounts[0]
	}
	return nil
}

// Claim gives each list to the account with its host and user; fold ignores
// case.
func (r *Result) Claim(lists []SeenList, fold bool) []SeenList {
	for i := range lists {
		l := &lists[i]
		for _, a := range r.Accounts {
			if a.Host == l.Host && a.User == l.User || fold && strings.EqualFold(a.Host, l.Host) && strings.EqualFold(a.User, l.User) {
				l.Account = a.Name
				break
			}
		}
	}
	return lists
}

// Own gives a list without host and user to an account; a may be nil.
func (l SeenList) Own(a *Account) []SeenList {
	if a != nil {
		l.Account, l.Host, l.User = a.Name, a.Host, a.User
	}
	return []SeenList{l}
}

// UnixTime reads a recorded time; zero if it is not one.
func UnixTime(n int64) time.Time {
	if n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// Stamp splits "UID TIME" at the last blank; ok is false if there is no time.
func Stamp(s string) (u SeenUID, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	n, ok := Int(s[i+1:])
	if i <= 0 || !ok || n < 0 {
		return SeenUID{UID: s}, false
	}
	return SeenUID{UID: s[:i], FirstSeen: UnixTime(n)}, true
}

// Alive reports whether a process exists and, where that can be seen, has
// name in its own name: a pidfile outlives its process.
func Alive(pid int, name string) bool {
	p, err := os.FindProcess(pid)
	if pid < 1 || err != nil {
		return false
	}
	defer p.Release()
	if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return false
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err != nil || strings.Contains(string(comm), name)
}
