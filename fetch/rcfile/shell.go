package rcfile

import (
	"regexp"
	"strings"
)

// Command returns the argv for a command line that went to a shell; nil if it
// cannot be written.
func Command(line string) []string {
	argv, plain := splitCommand(line)
	if !plain {
		argv = []string{"sh", "-c", line}
	}
	if badArgv(argv) || strings.TrimSpace(line) == "" {
		return nil
	}
	return argv
}

// shellPart is a part of a word that needs no shell: quoted, escaped, or plain
// bytes; = stands alone, as it makes an assignment of the first word.
var shellPart = regexp.MustCompile("^(?:'[^']*'|\"(?:[^\"\\\\$`!]|\\\\[\"\\\\$`])*\"|\\\\[^\\n]|=|[^= \\t\\n\\r'\"\\\\|&;<>()$`*?\\[\\]{}!\\x00]+)")

var shellEscape = regexp.MustCompile(`\\(["\\$` + "`])")

// splitCommand splits a command line as a shell does, if that needs no shell:
// words and quotes only, nothing that expands, redirects or chains. Else plain
// is false.
func splitCommand(s string) (argv []string, plain bool) {
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		word := ""
		if s[0] == '#' || s[0] == '~' {
			return nil, false
		}
		for part := shellPart.FindString(s); part != ""; part = shellPart.FindString(s) {
			s = s[len(part):]
			switch part[0] {
			case '\'':
				word += part[1 : len(part)-1]
			case '"':
				word += shellEscape.ReplaceAllString(part[1:len(part)-1], "$1")
			default:
				word += strings.TrimPrefix(part, `\`)
			}
			if part == "=" && len(argv) == 0 {
				return nil, false
			}
		}
		if s != "" && s[0] != ' ' && s[0] != '\t' {
			return nil, false
		}
		argv = append(argv, word)
	}
	return argv, len(argv) > 0
}

// ShellQuote quotes a word for sh.
func ShellQuote(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._@+-,:"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// FromEnvironment puts a variable of the environment where a command line for a
// shell has a mark that another program replaces by a value. It is expanded as
// one word, whatever it holds, also by the shell that sh -c runs: what others
// send must never be read as a command.
func FromEnvironment(line, mark, name string) string {
	for _, q := range []string{"'" + mark + "'", `"` + mark + `"`} {
		line = strings.ReplaceAll(line, q, mark)
	}
	inner := regexp.MustCompile(`^\s*(exec\s+)?(\S*/)?(ba|da|k|z)?sh\s+-c\s`).MatchString(line)
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case strings.HasPrefix(line[i:], mark):
			b.WriteString(asWord(name, quote, inner))
			i += len(mark) - 1
			continue
		case c == '\\' && quote != '\'' && i+1 < len(line):
			b.WriteByte(c)
			i++
			c = line[i]
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		}
		b.WriteByte(c)
	}
	return b.String()
}

// asWord is a variable for a place within quote.
func asWord(name string, quote byte, inner bool) string {
	switch {
	case inner && quote == '"':
		return `\"\$` + name + `\"`
	case quote == '"':
		return "${" + name + "}"
	case inner || quote == 0:
		return `"$` + name + `"`
	}
	return `'"$` + name + `"'`
}
