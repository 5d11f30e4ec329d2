package pop3

import (
	"strconv"
	"strings"
)

// maxShown is how much of a server's text an error or a trace line repeats.
const maxShown = 300

// escape makes foreign text safe for a terminal and a log: what does not
// print becomes an escape sequence of Go, and what is long is cut.
func escape[T string | []byte](text T) string {
	cut := ""
	if len(text) > maxShown {
		text, cut = text[:maxShown], "..."
	}
	q := strconv.Quote(string(text))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}
