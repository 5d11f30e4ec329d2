package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unclear are the words that the project does not use, each with the better one.
var unclear = map[*regexp.Regexp]string{
	regexp.MustCompile(`\bset(ting)? aside\b|\bASIDE\b`):                     "quarantine",
	regexp.MustCompile(`\bmend(s|ed|ing)?\b`):                                "fix",
	regexp.MustCompile(`\blesson|\blearnt\b`):                                "detected server quirk",
	regexp.MustCompile(`\b(in|one) flight\b`):                                "pipelined, in one round trip",
	regexp.MustCompile(`\bstands? beside\b`):                                 "conflicts with",
	regexp.MustCompile(`\bserver (that is )?in order\b`):                     "a well-behaved server",
	regexp.MustCompile(`\basked afterwards\b`):                               "queried after a crash",
	regexp.MustCompile(`\bone pass and ends\b`):                              "runs once and exits",
	regexp.MustCompile(`\bno terminal gets\b`):                               "output is not truncated when it is redirected",
	regexp.MustCompile(`\bBeside the others\b`):                              "Comparison",
	regexp.MustCompile(`\btells of\b|\b(was|were|is|are) told (of|apart)\b`): "reports, distinguishes",
	regexp.MustCompile(`\b(no|their|its|the) names? \(UIDL\)`):               "unique-ids",
}

// TestWords: documents, and texts in what ships, have none of the unclear words.
func TestWords(t *testing.T) {
	t.Parallel()
	for name, text := range docPages(t) {
		reportUnclear(t, name, text)
	}
	for _, name := range []string{"docs/mailhaul.1", "docs/mailhaul.yaml.5"} {
		reportUnclear(t, name, readText(t, filepath.Join(treeRoot, name)))
	}
	files := 0
	for _, top := range []string{"fetch", "deliver", "state", "oauth"} {
		err := filepath.WalkDir(filepath.Join(treeRoot, top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			for _, text := range textsOf(t, path) {
				reportUnclear(t, path, text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files found", files)
	}
}

func reportUnclear(t *testing.T, name, text string) {
	t.Helper()
	for word, better := range unclear {
		if found := word.FindString(text); found != "" {
			t.Errorf("%s: %q: write %q", name, found, better)
		}
	}
}

// textsOf are the string literals of a source file.
func textsOf(t *testing.T, path string) (texts []string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			texts = append(texts, lit.Value)
		}
		return true
	})
	return texts
}
