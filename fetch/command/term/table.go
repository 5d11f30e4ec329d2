package term

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Table is rows under a head. On a terminal that is too narrow for it, each row
// is a block of lines with one cell each.
type Table struct {
	Indent string
	Head   []string
	rows   [][]string
	Long   string // head of the column that may be shortened to fit
	Wide   bool   // no blocks: the last columns may be beyond the terminal
}

func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Write prints the table for a terminal of that width; 0: as wide as it is.
func (t *Table) Write(out io.Writer, width int) error {
	if len(t.rows) == 0 {
		return nil
	}
	if width > 0 && !t.fit(width) && !t.Wide {
		return t.blocks(out, width)
	}
	w := Columns(out)
	for _, row := range append([][]string{t.Head}, t.rows...) {
		fmt.Fprintln(w, t.Indent+strings.Join(row, "\t"))
	}
	return w.Flush()
}

const (
	gap      = 2  // between columns, as columns has it
	leastUID = 12 // characters, below which a UID says nothing
)

// fit shortens the long column as far as it must, and reports whether the rest
// fits.
func (t *Table) fit(width int) bool {
	total, long := utf8.RuneCountInString(t.Indent), -1
	widest := make([]int, len(t.Head))
	for i, head := range t.Head {
		widest[i] = utf8.RuneCountInString(head)
		for _, row := range t.rows {
			widest[i] = max(widest[i], utf8.RuneCountInString(row[i]))
		}
		total += widest[i] + gap
		if head == t.Long {
			long = i
		}
	}
	over := total - gap - width
	if over <= 0 {
		return true
	}
	if long < 0 || widest[long]-over < leastUID && !t.Wide {
		return false
	}
	for _, row := range t.rows {
		row[long] = squeeze(row[long], max(leastUID, widest[long]-over))
	}
	return true
}

// blocks prints a line for each cell that is not empty.
func (t *Table) blocks(out io.Writer, width int) error {
	key := 0
	for _, head := range t.Head {
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
			if t.Head[j] == t.Long {
				cell = squeeze(cell, max(leastUID, width-len(t.Indent)-key-1))
			}
			fmt.Fprintf(b, "%s%-*s %s\n", t.Indent, key, t.Head[j], cell)
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

// Cut shortens a text to at most n runes.
func Cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:max(0, n-3)]) + "..."
}

// Fold breaks a text at spaces into lines of that width; 0: it stays one.
func Fold(s string, width int) []string {
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
	if IsTerminal(w) {
		return w.(*os.File)
	}
	return nil
}

// width is that of the terminal tty, 0 if there is none: then nothing is cut or
// folded, because programs read it.
func width(tty *os.File) int {
	if tty == nil {
		return 0
	}
	w, _, err := term.GetSize(int(tty.Fd()))
	if err != nil {
		return 0
	}
	return w
}
