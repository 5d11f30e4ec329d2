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

// splitCommand splits a command line as a shell does, if that needs no shell:
// words and quotes only, nothing that expands, redirects or chains. Else plain
// is false.
func splitCommand(s string) (argv []string, plain bool) {
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && !strings.ContainsRune("\"\\$`!", rune(c)):
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case quote == '"' && c == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
			word.WriteByte(s[i])
		case quote != 0:
			return nil, false
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t':
			if in {
				argv = append(argv, word.String())
				word.Reset()
			}
			in = false
		case c == '\\' && i+1 < len(s) && s[i+1] != '\n':
			i++
			word.WriteByte(s[i])
			in = true
		case shellSpecial(c, in, len(argv)):
			return nil, false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		argv = append(argv, word.String())
	}
	return argv, quote == 0 && len(argv) > 0
}

// shellSpecial reports whether an unquoted byte means something to a shell:
// ~ and # at the start of a word, = in the first (an assignment).
func shellSpecial(c byte, in bool, words int) bool {
	switch c {
	case '|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '*', '?', '[', ']', '{', '}', '!', '\n', '\r', 0:
		return true
	case '#', '~':
		return !in
	case '=':
		return words == 0
	}
	return false
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
