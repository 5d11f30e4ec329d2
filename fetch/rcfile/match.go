package rcfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// CutLength is the length at which fetchmail cuts UIDs.
const CutLength = 128

// Matched is the comparison of a list with a server's listing.
type Matched struct {
	// Known are the server's UIDs that the list has.
	Known map[string]SeenUID
	// Unknown are the others, in the server's order. A UID that shares its entry
	// with another one is unknown: fetching twice is better than not at all.
	Unknown []string
	// Unmatched are the entries without a UID on the server.
	Unmatched []SeenUID
	// Ambiguous are the Unknown that share an entry with another UID.
	Ambiguous []string

	server int
	list   SeenList
}

// Match compares the UIDs that a server lists with what a program remembers.
func Match(server []string, list SeenList) Matched {
	m := Matched{Known: map[string]SeenUID{}, server: len(server), list: list}
	exact, loose := list.index()
	used := make([]bool, len(list.UIDs))
	claims := map[string]map[string]bool{} // loose form: the UIDs that have it
	for _, uid := range server {
		if i, ok := exact[uid]; ok {
			m.Known[uid], used[i] = list.UIDs[i], true
		} else if form := list.Rule.form(uid); form != uid {
			if claims[form] == nil {
				claims[form] = map[string]bool{}
			}
			claims[form][uid] = true
		}
	}
	done := map[string]bool{}
	for _, uid := range server {
		if _, ok := m.Known[uid]; ok || done[uid] {
			continue
		}
		done[uid] = true
		form := list.Rule.form(uid)
		i, ok := loose[form]
		switch {
		case !ok || form == uid:
			m.Unknown = append(m.Unknown, uid)
		case used[i] || len(claims[form]) > 1:
			m.Unknown, m.Ambiguous = append(m.Unknown, uid), append(m.Ambiguous, uid)
		default:
			m.Known[uid], used[i] = list.UIDs[i], true
		}
	}
	for i, u := range list.UIDs {
		if !used[i] && exact[u.UID] == i || u.MessageID {
			m.Unmatched = append(m.Unmatched, u)
		}
	}
	return m
}

// index returns where each UID stands in the list, and those that may be another
// UID on the server.
func (l *SeenList) index() (exact, loose map[string]int) {
	exact, loose = map[string]int{}, map[string]int{}
	for i, u := range l.UIDs {
		if u.MessageID {
			continue
		}
		exact[u.UID] = i
		if l.Rule == RuleSlash || l.Rule == RuleCut && u.Truncated {
			loose[u.UID] = i
		}
	}
	return exact, loose
}

// form is a UID as the program stores it.
func (r Rule) form(uid string) string {
	switch {
	case r == RuleCut && len(uid) > CutLength:
		return uid[:CutLength]
	case r == RuleSlash:
		return strings.Trim(strings.ReplaceAll(uid, "/", "-"), " \t")
	}
	return uid
}

// Diagnosis is whether a list belongs to a maildrop.
type Diagnosis struct {
	// Bad means that mail would be fetched twice with this list, or that it is
	// probably the list of another maildrop.
	Bad bool
	// Summary is "N on the server, M known, K unknown".
	Summary string
	// Causes are probable mistakes and other facts, the most probable first.
	Causes []string
}

// Diagnose judges a comparison. format is the format the list came from.
func (m Matched) Diagnose(format string) Diagnosis {
	d := Diagnosis{Summary: fmt.Sprintf("%d on the server, %d known, %d unknown", m.server, len(m.Known), len(m.Unknown))}
	remembered := len(m.list.UIDs)
	add := func(format string, args ...any) { d.Causes = append(d.Causes, fmt.Sprintf(format, args...)) }
	switch {
	case m.server == 0:
	case remembered == 0:
		d.Bad = true
		add("the list is empty: everything on the server would be fetched again")
		if format == "fetchmail" {
			add("fetchmail without uidl relies on LAST and keeps no list, and it deletes the file when it remembers nothing")
		}
		if format == "getmail" {
			add("getmail does not write its list after a timeout or a lost connection")
		}
	case !slices.ContainsFunc(m.list.UIDs, func(u SeenUID) bool { return !u.MessageID }):
		d.Bad = true
		add("the list holds Message-IDs, from a server without UIDL: match them against the delivered mail")
	case len(m.Known) == 0:
		d.Bad = true
		m.foreign(&d, add)
	case len(m.Unknown) > len(m.Known) && len(m.Unmatched)*2 > remembered:
		d.Bad = true
		m.foreign(&d, add)
	case len(m.Unknown)*4 > m.server*3 && m.server > 4:
		d.Bad = true
		add("most of what is on the server is unknown: has %s not run for long, or is this its newest list?", format)
	}
	if n := len(m.Ambiguous); n > 0 {
		add("%d UIDs match an entry that another UID matches, too: they count as unknown", n)
	}
	if m.list.Skipped > 0 {
		add("%d lines of %s are unreadable", m.list.Skipped, m.list.Source)
	}
	return d
}

// foreign explains a list of which the server has little or nothing.
func (m Matched) foreign(d *Diagnosis, add func(string, ...any)) {
	var ours, theirs string
	for _, u := range m.Unmatched {
		if !u.MessageID {
			ours = u.UID
		}
	}
	if len(m.Unknown) > 0 {
		theirs = m.Unknown[len(m.Unknown)-1]
	}
	if ours != "" && theirs != "" && shape(ours) != shape(theirs) {
		add("the server's UIDs have another form (%q) than those remembered (%q): it was replaced or migrated", theirs, ours)
	}
	add("the list is for %s@%s: is that this maildrop, or another name of the server or user?", printable(m.list.User), printable(m.list.Host))
	if slices.ContainsFunc(m.list.UIDs, func(u SeenUID) bool { return u.Truncated }) {
		add("fetchmail cuts UIDs at %d bytes, and cut some of these", CutLength)
	}
}

// run is a run of one kind in what shape makes of a UID.
var run = regexp.MustCompile(`x+|a+|[^xa]+`)

// shape is the form of a UID: runs of hexadecimal digits (x), other letters (a)
// and other characters, and whether they are long.
func shape(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case strings.ContainsRune("0123456789abcdefABCDEF", c):
			return 'x'
		case unicode.IsLetter(c):
			return 'a'
		}
		return c
	}, s)
	return run.ReplaceAllStringFunc(s, func(r string) string {
		if len(r) > 12 {
			return r[:1] + "+"
		}
		return r[:1]
	})
}
