package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// structural are the parser's messages about the place of a line. It reports
// most of them for the first line of the block that the line is not part of.
var structural = []string{
	"did not find expected key",
	"did not find expected '-' indicator",
	"did not find expected <document start>",
	"mapping values are not allowed in this context",
	"block sequence entries are not allowed in this context",
}

// brokenLine is the index of the line at which parsing fails with err: the last
// line of the shortest part that fails in the same way. It is false for errors
// that are not about the place of a line.
func brokenLine(lines [][]byte, err error) (int, bool) {
	if !slices.ContainsFunc(structural, func(s string) bool { return strings.HasSuffix(err.Error(), s) }) {
		return 0, false
	}
	n := sort.Search(len(lines), func(i int) bool {
		part := parseError(bytes.Join(lines[:i+1], []byte("\n")))
		return part != nil && part.Error() == err.Error()
	})
	return n, n < len(lines)
}

// parseError is the parser's first error in data; nil if there is none.
func parseError(data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// misplaced says what is wrong with the indentation of the last of lines; "" if
// the lines above it allow it.
func misplaced(lines [][]byte) string {
	var open []int // the columns at which the blocks begin that are open
	above := ""
	last := len(lines) - 1
	for _, l := range lines[:last] {
		text := strings.TrimSpace(string(l))
		if text == "" || text[0] == '#' {
			continue
		}
		open = append(closeBlocks(open, indentOf(l)), blocksOf(l)...)
		above = text
	}
	n := indentOf(lines[last])
	switch {
	case len(open) == 0 || slices.Contains(open, n):
		return ""
	case n < open[len(open)-1]:
		return fmt.Sprintf("this line is indented by %s, which matches no line above it (%s)", spaces(n), oneOf(open))
	case opensBlock(above):
		return ""
	}
	return fmt.Sprintf("this line is indented by %s, more than the line above it, which has a value already", spaces(n))
}

// opensBlock reports whether the line below text may be indented more.
func opensBlock(text string) bool {
	text, _, _ = strings.Cut(text, " #")
	words := strings.Fields(text)
	last := words[len(words)-1]
	return strings.HasSuffix(last, ":") || last == "-" || last[0] == '&' || last[0] == '!'
}

func indentOf(l []byte) int { return len(l) - len(bytes.TrimLeft(l, " ")) }

// closeBlocks leaves the blocks that are open above a line with this indent.
func closeBlocks(open []int, indent int) []int {
	for len(open) > 0 && open[len(open)-1] >= indent {
		open = open[:len(open)-1]
	}
	return open
}

// blocksOf are the columns of the blocks that a line begins or continues: one,
// and one more behind each "- ".
func blocksOf(l []byte) []int {
	at := indentOf(l)
	columns := []int{at}
	for bytes.HasPrefix(l[at:], []byte("- ")) {
		at += 2 + indentOf(l[at+2:])
		columns = append(columns, at)
	}
	return columns
}

func spaces(n int) string {
	if n == 1 {
		return "1 space"
	}
	return fmt.Sprintf("%d spaces", n)
}

// oneOf is a list in words: 0, 2 or 4.
func oneOf(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, fmt.Sprint(n))
	}
	return Or(words)
}
