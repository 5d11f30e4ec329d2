package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// Map is a mapping in the order in which Encode writes it.
type Map []Entry

// Entry is a key and its value: a string, a Word, a bool, an int, a []string, a
// Map, or a []Map. Comment, if not empty, stands behind it on the line; an
// Entry without Key is a comment line before the next.
type Entry struct {
	Key     string
	Value   any
	Comment string
}

// Word is text that YAML reads as it stands, such as none or 10MiB.
type Word string

// Pair is a Map of one entry.
func Pair(key string, value any) Map { return Map{{Key: key, Value: value}} }

// And returns m with one entry more.
func (m Map) And(key string, value any) Map {
	return append(slices.Clip(m), Entry{Key: key, Value: value})
}

// EscapePath writes a path as the configuration expects it, where variables
// expand: below the home directory with ~, a dollar sign doubled.
func EscapePath(path, homeDir string) string {
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(homeDir, "/")+"/"); ok && homeDir != "" {
		path = "~/" + rest
	}
	return strings.ReplaceAll(path, "$", "$$")
}

// PathText is EscapePath with the home directory of this process.
func PathText(path string) string {
	home, _ := os.UserHomeDir()
	return EscapePath(filepath.ToSlash(path), filepath.ToSlash(home))
}

// Encode writes m as YAML that Parse reads as meant, indented by depth times
// two spaces. Mappings of scalars below the second level stand on one line. No
// control character and nothing else that does not print leaves it unescaped.
func Encode(m Map, depth int) []byte {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(m.node(0)); err != nil {
		panic("config: encode: " + err.Error()) // a value of a type that Entry does not name
	}
	_ = enc.Close()
	pad := strings.Repeat("  ", depth)
	var b bytes.Buffer
	for line := range strings.Lines(out.String()) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(pad)
		}
		b.WriteString(escapeUnprintable(line))
	}
	return b.Bytes()
}

// escapeUnprintable escapes what the encoder leaves although it does not print.
// Such text is in double quotes: see text.
func escapeUnprintable(line string) string {
	if !strings.ContainsFunc(line, unprintable) {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

func (m Map) node(level int) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if level > 0 && m.flat() {
		n.Style = yaml.FlowStyle
	}
	head := ""
	for _, e := range m {
		if e.Key == "" {
			head = "# " + e.Comment
			continue
		}
		key, value := text(e.Key), valueNode(e.Value, level+1)
		key.HeadComment, head = head, ""
		if e.Comment != "" {
			value.LineComment = "# " + e.Comment
		}
		n.Content = append(n.Content, key, value)
	}
	n.FootComment = head
	return n
}

// flat reports whether nothing but scalars and lists of them is in m.
func (m Map) flat() bool {
	return !slices.ContainsFunc(m, func(e Entry) bool {
		switch v := e.Value.(type) {
		case Map:
			return !v.flat()
		case []Map:
			return true
		}
		return e.Comment != ""
	})
}

func valueNode(v any, level int) *yaml.Node {
	switch v := v.(type) {
	case Map:
		return v.node(level)
	case []Map:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, m := range v {
			item := m.node(level)
			item.Style = 0
			n.Content = append(n.Content, item)
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, text(s))
		}
		return n
	case Word:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: string(v)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.Itoa(v)}
	}
	return text(v.(string))
}

// text is a string: plain where no version of YAML and no place reads it as
// something else, else in double quotes.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s) // what looks like a number or null is quoted by the encoder
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off", "y", "n": // YAML 1.1's truth
		n.Style = yaml.DoubleQuotedStyle
	}
	plain := func(r rune) bool {
		return r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/~._@+-", r))
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
