package fdm

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// In double quotes a backslash takes the next byte as it is, save \r \n \t, and
// ${name} and %{name} are replaced.
var (
	space    = regexp.MustCompile(`^(?:[ \t\r\n]|#[^\n]*)*`)
	inText   = regexp.MustCompile(`(?s)\\.|[$%]\{[\w-]{1,100}\}|[$%]\{`)
	patterns = []rcfile.Pattern{
		{Kind: rcfile.Text, Regexp: regexp.MustCompile(`^(?s:"(?:[^"\\]|\\.)*"|'[^']*')`)},
		{Kind: rcfile.Shell, Regexp: shell()},
		{Kind: rcfile.Macro, Regexp: regexp.MustCompile(`^[$%](?:\{[\w-]{1,100}\}|[\w-]{1,100})`)},
		{Kind: rcfile.Number, Regexp: regexp.MustCompile(`^[0-9]+`)},
		{Kind: rcfile.Word, Regexp: regexp.MustCompile(`^[A-Za-z_-][\w-]*`)},
	}
)

// shell matches $( or %( to the closing parenthesis, past quotes and nested
// parentheses to a depth that nobody needs.
func shell() *regexp.Regexp {
	const plain = `[^()"']+|"(?:[^"\\]|\\.)*"|'[^']*'`
	body := plain
	for range 10 {
		body = plain + `|\((?:` + body + `)*\)`
	}
	return regexp.MustCompile(`^(?s:[$%]\((?:` + body + `)*\))`)
}

// lexer splits one file into tokens. Macros within strings are replaced by
// those defined so far. After a mistake every token is the end of the file.
type lexer struct {
	rcfile.Lexer
	macros map[string]string
	err    error
}

func (l *lexer) fail(line int, format string, args ...any) {
	if l.err == nil {
		l.err = rcfile.Syntax(l.File, line, format, args...)
	}
}

func (l *lexer) next() rcfile.Token {
	t := l.Next()
	switch {
	case t.Kind == rcfile.Text && t.Raw[0] == '\'':
		t.Text = t.Raw[1 : len(t.Raw)-1]
	case t.Kind == rcfile.Text:
		t.Text = l.expand(t.Line, t.Raw[1:len(t.Raw)-1])
	case t.Kind == rcfile.Shell:
		t.Text = t.Raw[2 : len(t.Raw)-1]
	case t.Kind == rcfile.Macro:
		t.Text = bare(t.Raw)
	case t.Symbol(`"`), t.Symbol("'"):
		l.fail(t.Line, "a %s is missing", t.Text)
	case (t.Symbol("$") || t.Symbol("%")) && strings.HasPrefix(l.Rest, "("):
		l.fail(t.Line, "a ) is missing")
	case t.Symbol("$"), t.Symbol("%"):
		l.fail(t.Line, "%s wants the name of a macro", t.Text)
	}
	if l.err != nil {
		return rcfile.Token{}
	}
	return t
}

// bare is the name of a macro without braces.
func bare(name string) string { return strings.NewReplacer("{", "", "}", "").Replace(name) }

// expand replaces escapes and macros.
func (l *lexer) expand(line int, s string) string {
	size := 0
	return inText.ReplaceAllStringFunc(s, func(part string) string {
		if part[0] == '\\' {
			if i := strings.IndexByte("rnt", part[1]); i >= 0 {
				return "\r\n\t"[i : i+1]
			}
			return part[1:]
		}
		v := l.macros[bare(part)]
		if size += len(v); len(part) == 2 {
			l.fail(line, "%c wants the name of a macro", part[0])
		} else if size > rcfile.MaxConfig {
			l.fail(line, "the string is too long")
			return ""
		}
		return v
	})
}

// inTags is a tag within a string, and a percent sign.
var inTags = regexp.MustCompile(`(?s)%(?:\[[^\]]*\]?|.)`)

// tags replaces the tags that are known before any mail is: %h, %u and
// their long forms, and %%. ok is false if others remain, which are removed.
func tags(o rcfile.Options, s string) (out string, ok bool) {
	known := map[string]string{"%%": "%", "%h": o.Home, "%[home]": o.Home, "%u": o.User, "%[user]": o.User}
	ok = true
	out = inTags.ReplaceAllStringFunc(s, func(tag string) string {
		v, is := known[tag]
		ok = ok && is
		return v
	})
	return out, ok
}

// parseSize reads a number with its unit.
func parseSize(num, unit string) (int64, bool) {
	n, err := strconv.ParseInt(num, 10, 64)
	ok := err == nil && n > 0 && n < 1<<32
	for i, names := range []string{"k kb kilobyte kilobytes", "m mb megabyte megabytes", "g gb gigabyte gigabytes"} {
		if slices.Contains(strings.Fields(names), strings.ToLower(unit)) {
			n <<= 10 * (i + 1)
		}
	}
	return n, ok
}
