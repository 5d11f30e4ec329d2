package rcfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTables: each verb in the programs' tables is a known one, and each row
// that gives a reason or a key has it.
func TestTables(t *testing.T) {
	files, _ := filepath.Glob("*/*.txt")
	if len(files) == 0 {
		t.Fatal("no tables")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows := Table(string(text))
		for name, row := range rows {
			if effects()[row.Verb] == nil && row.Verb != "" && row.Verb != "later" {
				t.Errorf("%s: %s: unknown verb %q", file, name, row.Verb)
			}
			switch row.Verb {
			case "drop", "change", "carry", "lose", "put", "words", "auth", "seconds", "file", "command":
				if row.Text == "" {
					t.Errorf("%s: %s: %s wants a text", file, name, row.Verb)
				}
			}
		}
		if len(rows) < 8 {
			t.Errorf("%s: only %d rows", file, len(rows))
		}
	}
}
