package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// width is that of the terminal on stdout, 0 if it is none: then nothing is
// cut or folded, for programs read it.
func (e *env) width() int {
	if e.tty == nil {
		return 0
	}
	w, _, err := term.GetSize(int(e.tty.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// table is rows under a head. On a terminal that is too narrow for it, each row
// is a block of lines with one cell each.
type table struct {
	indent string
	head   []string
	rows   [][]string
	long   string // head of the column that may be shortened to fit
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table for a terminal of that width; 0: as wide as it is.
func (t *table) write(out io.Writer, width int) error {
	if len(t.rows) == 0 {
		return nil
	}
	if width > 0 && !t.fit(width) {
		return t.blocks(out, width)
	}
	w := columns(out)
	for _, row := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(w, t.indent+strings.Join(row, "\t"))
	}
	return w.Flush()
}

const (
	gap      = 2  // between columns, as columns has it
	leastUID = 12 // characters, below which a UID says nothing
)

// fit shortens the long column as far as it must, and reports whether the rest
// fits.
func (t *table) fit(width int) bool {
	total, long := utf8.RuneCountInString(t.indent), -1
	widest := make([]int, len(t.head))
	for i, head := range t.head {
		widest[i] = utf8.RuneCountInString(head)
		for _, row := range t.rows {
			widest[i] = max(widest[i], utf8.RuneCountInString(row[i]))
		}
		total += widest[i] + gap
		if head == t.long {
			long = i
		}
	}
	over := total - gap - width
	if over <= 0 {
		return true
	}
	if long < 0 || widest[long]-over < leastUID {
		return false
	}
	for _, row := range t.rows {
		row[long] = squeeze(row[long], widest[long]-over)
	}
	return true
}

// blocks prints a line for each cell that is not empty.
func (t *table) blocks(out io.Writer, width int) error {
	key := 0
	for _, head := range t.head {
		key = max(key, len(head))
	}
	b := &strings.Builder{}
	for i, row := range t.rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, cell := range row {
			if cell == "" {
				continue
			}
			if t.head[j] == t.long {
				cell = squeeze(cell, max(leastUID, width-len(t.indent)-key-1))
			}
			fmt.Fprintf(b, "%s%-*s %s\n", t.indent, key, t.head[j], cell)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// squeeze takes what is too much out of the middle: UIDs of one mailbox often
// begin alike.
func squeeze(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	tail := (n - 2) / 2
	return string(slices.Concat(r[:n-2-tail], []rune(".."), r[len(r)-tail:]))
}

// fold breaks a text at spaces into lines of that width; 0: it stays one.
func fold(s string, width int) []string {
	if width <= 0 {
		return []string{s}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// terminalOf is the terminal that w is, or nil.
func terminalOf(w io.Writer) *os.File {
	if isTerminal(w) {
		return w.(*os.File)
	}
	return nil
}
