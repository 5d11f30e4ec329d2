package config

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean returns ` (did you mean "x"?)` for the closest of words, or ""
// if none is close enough to be a slip of the finger.
func DidYouMean(got string, words []string) string {
	best, least := "", max(1, len(got)/3)+1
	for _, w := range words {
		d := Distance(got, w)
		if d < least || d == least && best != "" && strings.HasPrefix(w, got) {
			best, least = w, d
		}
	}
	// One number is not a slip for another.
	if best == "" || strings.Trim(got, "0123456789.") == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// meantValue is DidYouMean for the value of an enum, with what other programs
// and other keys call it.
func meantValue(got string, words []string) string {
	for _, s := range [][2]string{{"starttls", "stls"}, {"stls", "starttls"}, {"explicit", "stls"}, {"ssl", "implicit"},
		{"tls", "implicit"}, {"oauth2", "xoauth2"}} {
		if s[0] == got && slices.Contains(words, s[1]) {
			return fmt.Sprintf(" (did you mean %q?)", s[1])
		}
	}
	return DidYouMean(got, words)
}

// Distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours. Long input is not worth comparing.
func Distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// synonyms are keys of ours, each with what other programs call it.
var synonyms = map[string]string{
	"server":   "host hostname port poll",
	"user":     "username login",
	"password": "pass passwd passwordeval password_command",
	"tls":      "ssl starttls tls_starttls",
	"every":    "interval delay",
	"keep":     "delete leave nokeep",
	"deliver":  "destination delivery mda",
	"pin":      "fingerprint sslfingerprint tls_fingerprint",
}

// synonym is our key for what other programs call it.
func synonym(key string) string {
	for ours, theirs := range synonyms {
		if slices.Contains(strings.Fields(theirs), key) {
			return ours
		}
	}
	return ""
}
