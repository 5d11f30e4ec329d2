package rcfile

import (
	"slices"
	"strings"
)

// Section is one section of an INI file; its options are in the order of the
// file, names in lower case.
type Section struct {
	Name    string
	Line    int
	Options []Option
}

// Get returns an option; its Name is empty if there is none.
func (s *Section) Get(name string) Option {
	if s != nil {
		for _, o := range s.Options {
			if o.Name == name {
				return o
			}
		}
	}
	return Option{}
}

// ParseINI reads a file as Python's RawConfigParser does: "=" or ":" behind
// the name, whole-line comments with # or ;, deeper indented lines continue a
// value. Nothing is interpolated.
func ParseINI(file, text string) ([]*Section, error) {
	var sections []*Section
	var cur *Section
	open, indent := false, 0
	for i, raw := range strings.Split(text, "\n") {
		raw = strings.TrimRight(raw, " \t\r\v\f")
		line := strings.TrimLeft(raw, " \t\v\f")
		depth := len(raw) - len(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case open && depth > indent:
			last := &cur.Options[len(cur.Options)-1]
			last.Value += "\n" + line
			continue
		case line[0] == '[' && strings.Contains(line, "]"):
			cur = &Section{Name: line[1:strings.LastIndexByte(line, ']')], Line: i + 1}
			if slices.ContainsFunc(sections, func(s *Section) bool { return s.Name == cur.Name }) {
				return nil, Syntax(file, i+1, "section [%s] appears twice", cur.Name)
			}
			sections, open = append(sections, cur), false
			continue
		case cur == nil:
			return nil, Syntax(file, i+1, "wants a [section] first")
		}
		sep := strings.IndexAny(line, "=:")
		if sep <= 0 {
			return nil, Syntax(file, i+1, "wants NAME = VALUE")
		}
		o := Option{File: file, Line: i + 1, Name: strings.ToLower(strings.TrimSpace(line[:sep])), Value: strings.TrimSpace(line[sep+1:])}
		if cur.Get(o.Name).Name != "" {
			return nil, Syntax(file, i+1, "%s appears twice in [%s]", o.Name, cur.Name)
		}
		cur.Options = append(cur.Options, o)
		open, indent = true, depth
	}
	for _, s := range sections {
		for i, o := range s.Options {
			if s.Options[i].Text = o.Name + " = " + strings.Join(strings.Fields(o.Value), " "); o.Name == "password" {
				s.Options[i].Text = "password = ***"
			}
		}
	}
	return sections, nil
}
