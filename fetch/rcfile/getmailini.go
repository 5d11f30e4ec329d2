package rcfile

import (
	"strings"
)

// iniValue is one option of a getmailrc.
type iniValue struct {
	option
	name, value string
}

// iniSection is one section; its options are in the order of the file, names
// in lower case.
type iniSection struct {
	name    string
	line    int
	options []iniValue
}

func (s *iniSection) get(name string) (iniValue, bool) {
	if s != nil {
		for _, v := range s.options {
			if v.name == name {
				return v, true
			}
		}
	}
	return iniValue{}, false
}

// parseINI reads a file as Python's RawConfigParser does: "=" or ":" behind
// the name, whole-line comments with # or ;, deeper indented lines continue a
// value. Nothing is interpolated.
func parseINI(file, text string) ([]*iniSection, error) {
	var sections []*iniSection
	var cur *iniSection
	open, indent := false, 0
	for i, raw := range strings.Split(text, "\n") {
		raw = strings.TrimRight(raw, " \t\r\v\f")
		line := strings.TrimLeft(raw, " \t\v\f")
		depth := len(raw) - len(line)
		switch {
		case line == "":
			continue
		case line[0] == '#' || line[0] == ';':
			continue
		case open && depth > indent:
			last := &cur.options[len(cur.options)-1]
			last.value += "\n" + line
			continue
		case line[0] == '[' && strings.Contains(line, "]"):
			cur = &iniSection{name: line[1:strings.LastIndexByte(line, ']')], line: i + 1}
			for _, s := range sections {
				if s.name == cur.name {
					return nil, syntax(file, i+1, "section [%s] stands twice", cur.name)
				}
			}
			sections, open = append(sections, cur), false
			continue
		case cur == nil:
			return nil, syntax(file, i+1, "wants a [section] first")
		}
		sep := strings.IndexAny(line, "=:")
		if sep <= 0 {
			return nil, syntax(file, i+1, "wants NAME = VALUE")
		}
		v := iniValue{option: option{file: file, line: i + 1}, name: strings.ToLower(strings.TrimSpace(line[:sep])), value: strings.TrimSpace(line[sep+1:])}
		if _, twice := cur.get(v.name); twice {
			return nil, syntax(file, i+1, "%s stands twice in [%s]", v.name, cur.name)
		}
		cur.options = append(cur.options, v)
		open, indent = true, depth
	}
	for _, s := range sections {
		for i := range s.options {
			s.options[i].text = s.options[i].shown()
		}
	}
	return sections, nil
}

// shown is the option as written, in one line, passwords as ***.
func (v *iniValue) shown() string {
	if v.name == "password" {
		return "password = ***"
	}
	return v.name + " = " + strings.Join(strings.Fields(v.value), " ")
}
