package rcfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	exact := map[string]int{} // where each UID stands in the list
	for i, u := range list.UIDs {
		if !u.MessageID {
			exact[u.UID] = i
		}
	}
	used := make([]bool, len(list.UIDs))
	claims := map[string]map[string]bool{} // form: the UIDs that have it
	var rest []string
	for _, uid := range server {
		form := list.Rule.form(uid)
		if i, ok := exact[uid]; ok {
			m.Known[uid], used[i] = list.UIDs[i], true
		} else if claims[form] == nil {
			claims[form], rest = map[string]bool{uid: true}, append(rest, uid)
		} else if !claims[form][uid] {
			claims[form][uid], rest = true, append(rest, uid)
		}
	}
	for _, uid := range rest {
		form := list.Rule.form(uid)
		i, ok := exact[form]
		switch {
		case !ok || list.Rule == RuleCut && !list.UIDs[i].Truncated:
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
		m.foreign(add)
	case len(m.Unknown) > len(m.Known) && len(m.Unmatched)*2 > remembered:
		d.Bad = true
		m.foreign(add)
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
func (m Matched) foreign(add func(string, ...any)) {
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

// shape is the form of a UID: runs of hexadecimal digits (x), other letters (a)
// and other characters, and whether they are long.
func shape(s string) string {
	for i, run := range []string{`[0-9A-Fa-f]{13,}`, `[0-9A-Fa-f]+`, `\pL{13,}`, `\pL+`} {
		s = regexp.MustCompile(run).ReplaceAllString(s, string(rune(i)))
	}
	return s
}
