package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// below are the folders whose packages report facts: what to do about them is for
// fetch/command/advice to say.
var below = []string{"fetch/autoconf", "fetch/commit", "fetch/header", "fetch/ledger", "fetch/plan", "fetch/pop3", "fetch/proof",
	"fetch/sasl", "fetch/schedule", "fetch/session",
	"deliver", "state", "oauth"}

// noAdvice are texts that look like advice and are none.
var noAdvice = map[string]string{
	"mailhaul state":                        "the first octets of a state file",
	"not a mailhaul state file, or damaged": "a state file of mailhaul's",
}

// TestLowerPackagesGiveNoAdvice: no text of theirs names an option, a command or a
// key of the configuration.
func TestLowerPackagesGiveNoAdvice(t *testing.T) {
	t.Parallel()
	words := adviceWords()
	files, _ := filepath.Glob(filepath.Join(treeRoot, "fetch", "*.go"))
	for _, dir := range below {
		_ = filepath.WalkDir(filepath.Join(treeRoot, dir), func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // a package that is not there yet
			case d.IsDir() && strings.HasSuffix(d.Name(), "test"):
				return filepath.SkipDir
			case filepath.Ext(path) == ".go":
				files = append(files, path)
			}
			return nil
		})
	}
	if len(files) < 200 {
		t.Fatalf("only %d files", len(files))
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, tag := n.(*ast.Field); tag {
				return false
			}
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				if word := words.FindString(text); word != "" && noAdvice[text] == "" {
					t.Errorf("%s: %q in %q", set.Position(lit.Pos()), word, text)
				}
			}
			return true
		})
	}
}

// adviceWords fits options, commands, and keys as a person writes them: in
// backquotes, before a value, or with an underscore.
func adviceWords() *regexp.Regexp {
	var commands, keys, odd []string
	for _, c := range commandNames() {
		commands = append(commands, regexp.QuoteMeta(c))
	}
	for _, k := range config.Keys(configOptions()) {
		name := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		if strings.Contains(name, "_") {
			odd = append(odd, regexp.QuoteMeta(name))
		}
		keys = append(keys, regexp.QuoteMeta(name))
	}
	return regexp.MustCompile(`(^|[ (])--[a-z]+|\bmailhaul (` + strings.Join(commands, "|") + `)\b|mailhaul\.yaml|` + "`" + `(` +
		strings.Join(keys, "|") + `)[:` + "`" + `]|\b(` + strings.Join(odd, "|") + `)\b[^"=]* `)
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.Name)
	}
	return names
}
