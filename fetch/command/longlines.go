package command

import "strings"

// edited applies the backspaces of a line that came without line editing.
func edited(line string) string {
	if !strings.ContainsAny(line, "\b\x7f\x15") {
		return line
	}
	var out []rune
	for _, r := range line {
		switch {
		case r == 0x15: // ^U
			out = out[:0]
		case r != '\b' && r != 0x7f:
			out = append(out, r)
		case len(out) > 0:
			out = out[:len(out)-1]
		}
	}
	return string(out)
}
