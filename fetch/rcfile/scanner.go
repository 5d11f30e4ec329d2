package rcfile

import (
	"regexp"
	"strings"
)

// Scanner is the rest of a file, for a lexer.
type Scanner struct {
	File string
	// Line is the line of the first byte of Rest.
	Line int
	Rest string
}

// Take returns the next n bytes.
func (s *Scanner) Take(n int) string {
	taken := s.Rest[:n]
	s.Rest = s.Rest[n:]
	s.Line += strings.Count(taken, "\n")
	return taken
}

// Match takes what an expression that starts with ^ matches.
func (s *Scanner) Match(re *regexp.Regexp) string { return s.Take(len(re.FindString(s.Rest))) }
