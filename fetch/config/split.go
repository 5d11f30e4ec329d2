package config

import (
	"bytes"
	"regexp"

	"gopkg.in/yaml.v3"
)

// groupSize is how many accounts are parsed at a time. A file with more is read in
// groups: the nodes of 10,000 accounts take 100 MiB.
const groupSize = 100

// split is a file whose accounts are apart from the rest. Each part means the same
// alone as in the file; a file with parts that could mean something else, or are no
// YAML, is parsed as a whole.
type split struct {
	rest   []byte // empty lines where the accounts were
	line   int    // of accounts:, from 1
	prefix []byte // what stands before each group: ends with that line
	groups []group
	failed bool // parse the file as a whole
}

// group is some accounts, and how many lines are above the first of them.
type group struct {
	text  []byte
	above int
}

var (
	accountsLine = regexp.MustCompile(`(?m)^accounts:[ \t]*(#.*)?\r?\n`)
	anchor       = regexp.MustCompile(`[\s\[{,:-]&`)  // could be meant for each account below it
	alias        = regexp.MustCompile(`[\s\[{,:-]\*`) // needs the anchors above accounts
)

// splitFile returns nil for a file that is small, or cannot be split.
func splitFile(data []byte) *split {
	at := accountsLine.FindIndex(data)
	if at == nil {
		return nil
	}
	starts, end := accountStarts(data, at[1])
	accounts := data[at[1]:end]
	if len(starts) <= groupSize || anchor.Match(accounts) {
		return nil
	}
	s := &split{line: 1 + lines(data[:at[0]]), prefix: data[at[0]:at[1]]}
	if alias.Match(accounts) {
		s.prefix = data[:at[1]]
	}
	s.rest = bytes.Join([][]byte{data[:at[1]], bytes.Repeat([]byte("\n"), lines(accounts)), data[end:]}, nil)
	starts = append(starts, end)
	for i, above := 0, lines(data[:starts[0]]); i < len(starts)-1; i += groupSize {
		text := data[starts[i]:starts[min(i+groupSize, len(starts)-1)]]
		s.groups = append(s.groups, group{text, above})
		above += lines(text)
	}
	return s
}

// accountStarts finds the accounts of a section: each begins at a line that is indented
// as the first one. The section ends at a line without indentation.
func accountStarts(data []byte, at int) (starts []int, end int) {
	indent := 0
	for end = at; end < len(data); {
		line, _, _ := bytes.Cut(data[end:], []byte("\n"))
		text := bytes.TrimSpace(line)
		switch n := indentOf(line); {
		case len(text) == 0 || text[0] == '#':
		case n == 0:
			return starts, end
		case indent == 0, n == indent:
			starts, indent = append(starts, end), n
		}
		end = min(end+len(line)+1, len(data))
	}
	return starts, end
}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

// whole reports whether the rest of the file has the section where it was found, and
// not in a text of several lines.
func (s *split) whole(root *yaml.Node) bool {
	for i := 0; i < len(root.Content); i += 2 {
		if k, v := root.Content[i], root.Content[i+1]; k.Value == "accounts" {
			return k.Line == s.line && v.Kind == yaml.ScalarNode && v.Value == ""
		}
	}
	return false
}

// each calls f with the mappings of accounts, one for each group.
func (s *split) each(f func(accounts *yaml.Node)) {
	for _, g := range s.groups {
		n := s.parse(g)
		if n == nil {
			s.failed = true
			return
		}
		f(n)
	}
}

// parse returns the accounts of a group, with the lines of the file; nil if they are
// not that alone.
func (s *split) parse(g group) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal(append(bytes.Clone(s.prefix), g.text...), &doc); err != nil || len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil
	}
	n := root.Content[len(root.Content)-1]
	if n.Kind != yaml.MappingNode || root.Content[len(root.Content)-2].Value != "accounts" {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			return nil // into the accounts of other groups, too
		}
	}
	below(n, g.above-lines(s.prefix))
	return n
}

// below moves a node and what is in it down by some lines.
func below(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		below(c, by)
	}
}
