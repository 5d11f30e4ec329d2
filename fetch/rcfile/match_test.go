package rcfile

import (
	"slices"
	"strings"
	"testing"
)

func list(rule Rule, uids ...string) SeenList {
	l := SeenList{Rule: rule, Host: "h", User: "u"}
	for _, u := range uids {
		l.UIDs = append(l.UIDs, SeenUID{UID: u, Truncated: rule == RuleCut && len(u) == 128,
			MessageID: rule == RuleCut && strings.HasPrefix(u, "<")})
	}
	return l
}

func TestMatch(t *testing.T) {
	long := strings.Repeat("x", 128)
	for name, tc := range map[string]struct {
		list                        SeenList
		server                      []string
		known, unknown, unmatched   int
		ambiguous                   int
		wantKnown, wantUnknownFirst string
	}{
		"exact": {list: list(RuleExact, "a", "b"), server: []string{"b", "c"}, known: 1, unknown: 1, unmatched: 1,
			wantKnown: "b"},
		"case matters":       {list: list(RuleExact, "a"), server: []string{"A"}, unknown: 1, unmatched: 1},
		"cut":                {list: list(RuleCut, long), server: []string{long + "yz"}, known: 1, wantKnown: long + "yz"},
		"cut at 127 is none": {list: list(RuleCut, long[1:]), server: []string{long}, unknown: 1, unmatched: 1},
		"exactly 128":        {list: list(RuleCut, long), server: []string{long}, known: 1},
		"two fit the cut":    {list: list(RuleCut, long), server: []string{long + "1", long + "2"}, unknown: 2, unmatched: 1, ambiguous: 2},
		"one is the cut": {list: list(RuleCut, long), server: []string{long, long + "2"}, known: 1, unknown: 1,
			ambiguous: 1, wantUnknownFirst: long + "2"},
		"slash": {list: list(RuleSlash, "a-b"), server: []string{"a/b"}, known: 1, wantKnown: "a/b"},
		"dash wins": {list: list(RuleSlash, "a-b"), server: []string{"a/b", "a-b"}, known: 1, unknown: 1, ambiguous: 1,
			wantKnown: "a-b"},
		"two slashes":    {list: list(RuleSlash, "a-b-c"), server: []string{"a/b-c", "a-b/c"}, unknown: 2, unmatched: 1, ambiguous: 2},
		"slash is exact": {list: list(RuleExact, "a-b"), server: []string{"a/b"}, unknown: 1, unmatched: 1},
		"message-id":     {list: list(RuleCut, "<a@b.c>"), server: []string{"<a@b.c>"}, unknown: 1, unmatched: 1},
		"server repeats": {list: list(RuleExact, "a"), server: []string{"a", "a", "b", "b"}, known: 1, unknown: 1},
		"list repeats":   {list: list(RuleExact, "a", "a"), server: nil, unmatched: 1},
	} {
		m := Match(tc.server, tc.list)
		if len(m.Known) != tc.known || len(m.Unknown) != tc.unknown || len(m.Unmatched) != tc.unmatched ||
			len(m.Ambiguous) != tc.ambiguous {
			t.Errorf("%s: known %v unknown %v unmatched %v ambiguous %v", name, m.Known, m.Unknown, m.Unmatched, m.Ambiguous)
		}
		if _, ok := m.Known[tc.wantKnown]; tc.wantKnown != "" && !ok {
			t.Errorf("%s: %q is not known", name, tc.wantKnown)
		}
		if tc.wantUnknownFirst != "" && m.Unknown[0] != tc.wantUnknownFirst {
			t.Errorf("%s: unknown %q", name, m.Unknown)
		}
	}
}

func TestDiagnose(t *testing.T) {
	for name, tc := range map[string]struct {
		list   SeenList
		server []string
		bad    bool
		cause  string
	}{
		"fine":           {list: list(RuleExact, "a1", "a2", "a3"), server: []string{"a1", "a2", "a3", "a4"}},
		"empty server":   {list: list(RuleExact, "a1")},
		"empty list":     {list: list(RuleCut), server: []string{"a"}, bad: true, cause: "LAST"},
		"other maildrop": {list: list(RuleExact, "a1", "a2"), server: []string{"b1", "b2"}, bad: true, cause: "u@h"},
		"new format": {list: list(RuleExact, "0000001a2b3c4d5e", "0000002a2b3c4d5e"),
			server: []string{"UID12-345", "UID13-345"}, bad: true, cause: "another form"},
		"message-ids":    {list: list(RuleCut, "<a@b.c>"), server: []string{"x"}, bad: true, cause: "Message-ID"},
		"mostly unknown": {list: list(RuleExact, "a"), server: []string{"a", "b", "c", "d", "e", "f"}, bad: true, cause: "unknown"},
		"window":         {list: list(RuleExact, "a", "b", "c", "d"), server: []string{"d"}},
	} {
		d := Match(tc.server, tc.list).Diagnose("fetchmail")
		if d.Bad != tc.bad || !strings.Contains(strings.Join(d.Causes, "\n"), tc.cause) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if got := Match([]string{"a", "b"}, list(RuleExact, "a")).Diagnose("mpop").Summary; got != "2 on the server, 1 known, 1 unknown" {
		t.Error(got)
	}
}

func TestSplitCommand(t *testing.T) {
	for in, want := range map[string][]string{
		`pass mail/x`:              {"pass", "mail/x"},
		`  a  'b c' "d e"f `:       {"a", "b c", "d ef"},
		`a "b\"c\\" d\ e ''`:       {"a", `b"c\`, "d e", ""},
		`gpg --opt=x`:              {"gpg", "--opt=x"},
		`A=b c`:                    nil,
		`a | b`:                    nil,
		`a $HOME`:                  nil,
		`a "$(b)"`:                 nil,
		"a `b`":                    nil,
		`a ~/x`:                    nil,
		`a "unclosed`:              nil,
		`a *`:                      nil,
		`a > b`:                    nil,
		`a; b`:                     nil,
		``:                         nil,
		`a x~y x#y 'lit $x "quo"'`: {"a", "x~y", "x#y", `lit $x "quo"`},
	} {
		got, ok := splitCommand(in)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
}
