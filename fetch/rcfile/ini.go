package rcfile

import (
	"strings"
)

// iniValue is one option of a getmailrc.
type Setting struct {
	Option
	Name, Value string
}

// iniSection is one section; its options are in the order of the file, names
// in lower case.
type Section struct {
	Name    string
	Line    int
	Options []Setting
}

func (s *Section) Get(name string) (Setting, bool) {
	if s != nil {
		for _, v := range s.Options {
			if v.Name == name {
				return v, true
			}
		}
	}
	return Setting{}, false
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
		case line == "":
			continue
		case line[0] == '#' || line[0] == ';':
			continue
		case open && depth > indent:
			last := &cur.Options[len(cur.Options)-1]
			last.Value += "\n" + line
			continue
		case line[0] == '[' && strings.Contains(line, "]"):
			cur = &Section{Name: line[1:strings.LastIndexByte(line, ']')], Line: i + 1}
			for _, s := range sections {
				if s.Name == cur.Name {
					return nil, Syntax(file, i+1, "section [%s] stands twice", cur.Name)
				}
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
		v := Setting{Option: Option{File: file, Line: i + 1}, Name: strings.ToLower(strings.TrimSpace(line[:sep])), Value: strings.TrimSpace(line[sep+1:])}
		if _, twice := cur.Get(v.Name); twice {
			return nil, Syntax(file, i+1, "%s stands twice in [%s]", v.Name, cur.Name)
		}
		cur.Options = append(cur.Options, v)
		open, indent = true, depth
	}
	for _, s := range sections {
		for i := range s.Options {
			s.Options[i].Text = s.Options[i].shown()
		}
	}
	return sections, nil
}

// shown is the option as written, in one line, passwords as ***.
func (v *Setting) shown() string {
	if v.Name == "password" {
		return "password = ***"
	}
	return v.Name + " = " + strings.Join(strings.Fields(v.Value), " ")
}
