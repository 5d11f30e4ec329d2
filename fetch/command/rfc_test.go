package command

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestRFCPageNamesFiles: the files in docs/rfc.md exist; one without a directory is
// in that of the file before it.
func TestRFCPageNamesFiles(t *testing.T) {
	page, err := os.ReadFile("../../docs/rfc.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		dir := ""
		for _, name := range regexp.MustCompile(`[\w/]+\.go\b`).FindAllString(line, -1) {
			if d := path.Dir(name); d != "." {
				dir = d
			}
			if _, err := os.Stat(path.Join("../..", dir, path.Base(name))); err != nil {
				t.Error(err)
			}
		}
	}
}
