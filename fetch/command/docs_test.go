package command

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// The manual pages are written by hand, except for their lists of options and
// keys (manual_test.go), in a form that these tests can read: what is in the
// program must be in them, and the other way round. The comments at their heads
// describe that form.

const treeRoot = "../.."

// manPage is a manual page: lines by section, "COMMANDS/fetch" for .Ss fetch.
type manPage struct {
	sections map[string][]string
	all      []string
}

func readPage(t *testing.T, name string) manPage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(treeRoot, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	p := manPage{sections: make(map[string][]string)}
	section, sub := "", ""
	for _, line := range strings.Split(string(text), "\n") {
		switch macro, arg, _ := strings.Cut(line, " "); macro {
		case `.\"`:
			continue
		case ".Sh":
			section, sub = arg, ""
		case ".Ss":
			sub = "/" + arg
			p.sections[section+sub] = nil
		default:
			p.sections[section+sub] = append(p.sections[section+sub], line)
		}
		p.all = append(p.all, line)
	}
	return p
}

// under returns the lines of a section with all its subsections.
func (p manPage) under(section string) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(p.sections)) {
		if name == section || strings.HasPrefix(name, section+"/") {
			lines = append(lines, p.sections[name]...)
		}
	}
	return lines
}

// manItems are the words of the .It lines that stand behind the macro, each with
// the text up to the next .It: ".It Fl c , Fl -config Ar file" has c and
// -config for Fl.
func manItems(lines []string, macro string) map[string]string {
	out := make(map[string]string)
	var open []string
	for _, line := range lines {
		head, ok := strings.CutPrefix(line, ".It ")
		if !ok {
			for _, name := range open {
				out[name] += line + "\n"
			}
			continue
		}
		open = nil
		for _, name := range wordsBehind(head, macro) {
			open = append(open, name)
			out[name] += ""
		}
	}
	return out
}

// wordsBehind are the words behind a macro in one line. A macro holds until the next
// one; commas stand between.
func wordsBehind(line, macro string) (names []string) {
	on := false
	for _, word := range strings.Fields(line) {
		switch {
		case isMdocMacro(word):
			on = word == macro
		case on && word != "," && word != "|":
			names = append(names, word)
		}
	}
	return names
}

func isMdocMacro(word string) bool {
	return slices.Contains(strings.Fields("Fl Ar Cm Va Ev Pa Ic Li Ns Op Oo Oc Xr"), word)
}

// sameNames reports what is in one of two lists and not in the other.
func sameNames(t *testing.T, what string, program, manual []string) {
	t.Helper()
	if len(program) == 0 {
		t.Fatalf("%s: none found in the program", what)
	}
	for _, s := range program {
		if !slices.Contains(manual, s) {
			t.Errorf("%s %s is not in the manual", what, s)
		}
	}
	for _, s := range manual {
		if !slices.Contains(program, s) {
			t.Errorf("%s %s is in the manual, but does not exist", what, s)
		}
	}
}

func keysOfMap[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

// walkCommands calls fn for each command with its path, "state ls".
func walkCommands(list []*cli.Command, above string, fn func(path string, c *cli.Command)) {
	for _, c := range list {
		path := strings.TrimSpace(above + " " + c.Name)
		fn(path, c)
		walkCommands(c.Subcommands, path, fn)
	}
}

// optionNames are the names of flags as mdoc writes them: c, -config.
func optionNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				n = "-" + n
			}
			names = append(names, n)
		}
	}
	return names
}

// TestManualLint has mandoc judge the manual pages.
func TestManualLint(t *testing.T) {
	t.Parallel()
	mandoc := pop3test.Require(t, "mandoc")
	for _, name := range []string{"mailhaul.1", "mailhaul.yaml.5"} {
		out, err := exec.Command(mandoc, "-Tlint", "-W", "warning", filepath.Join(treeRoot, "docs", name)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// everyOption is the set of all options of the program.
func everyOption() map[string]bool {
	all := map[string]bool{"h": true, "-help": true, "-": true, "vv": true}
	app := newApp(term.Streams{Out: io.Discard, Err: io.Discard})
	add := func(flags []cli.Flag) {
		for _, n := range optionNames(flags) {
			all[n] = true
		}
	}
	add(app.Flags)
	walkCommands(app.Commands, "", func(_ string, c *cli.Command) { add(c.Flags) })
	return all
}

// othersCommand is a line with the command of another program, which may name
// our things.
var othersCommand = regexp.MustCompile(`systemctl|^docker |^kubectl |` + "`docker run")

func TestDocumentsNameNoOptionThatDoesNotExist(t *testing.T) {
	t.Parallel()
	all := everyOption()
	for _, name := range []string{"mailhaul.1", "mailhaul.yaml.5"} {
		for _, line := range readPage(t, name).all {
			for _, o := range wordsBehind(line, "Fl") {
				if o = strings.Trim(o, ".,;:()"); o != "" && !all[o] {
					t.Errorf("%s: there is no option -%s", name, o)
				}
			}
		}
	}
	option := regexp.MustCompile(`(?:^|[\s` + "`" + `(\[])-(-[a-z][a-z-]+)`)
	pages, _ := filepath.Glob(filepath.Join(treeRoot, "docs", "*.md"))
	for _, name := range append(pages, filepath.Join(treeRoot, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		foreign, goesOn := false, false
		for i, line := range strings.Split(string(text), "\n") {
			foreign = goesOn || othersCommand.MatchString(line)
			goesOn = foreign && strings.HasSuffix(line, `\`)
			if foreign || !strings.Contains(line, "mailhaul") && !strings.Contains(line, "`--") {
				continue // other programs' options
			}
			for _, m := range option.FindAllStringSubmatch(line, -1) {
				if !all[m[1]] {
					t.Errorf("%s:%d: there is no option -%s", name, i+1, m[1])
				}
			}
		}
	}
}

// TestExamplesAreValid reads each configuration that a document shows in full.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	var examples []string
	block := regexp.MustCompile(`(?ms)^\.Bd .*?\n(.*?)^\.Ed`)
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	pages, _ := filepath.Glob(filepath.Join(treeRoot, "docs", "*"))
	for _, name := range append(pages, filepath.Join(treeRoot, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a directory
		}
		for _, m := range append(block.FindAllSubmatch(text, -1), fence.FindAllSubmatch(text, -1)...) {
			if regexp.MustCompile(`(?m)^accounts:`).Match(m[1]) {
				examples = append(examples, string(m[1]))
			}
		}
	}
	if len(examples) < 3 {
		t.Fatalf("only %d examples found", len(examples))
	}
	for _, text := range examples {
		if _, err := config.Parse("example.yaml", []byte(text), configOptions()); err != nil && !missesFile(err) {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// missesFile: what an example names is not on this machine.
func missesFile(err error) bool {
	for _, line := range strings.Split(err.Error(), "\n") {
		if !strings.Contains(line, "no such file") && !strings.Contains(line, "is not set") {
			return false
		}
	}
	return true
}

func TestManualHasEveryExitStatus(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, f := range parseDir(t, filepath.Join(treeRoot, "fetch")) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if ok && len(v.Values) == 1 && isIdent(v.Type, "Exit") {
				codes = append(codes, v.Values[0].(*ast.BasicLit).Value)
			}
			return true
		})
	}
	var manual []string
	for _, line := range readPage(t, "mailhaul.1").sections["EXIT STATUS"] {
		if code, ok := strings.CutPrefix(line, ".It "); ok {
			manual = append(manual, code)
		}
	}
	sameNames(t, "exit status", codes, manual)
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// parseDir parses the files of a directory that are not tests.
func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	return parseFiles(t, token.NewFileSet(), dir)
}

func parseFiles(t *testing.T, set *token.FileSet, dir string) (files []*ast.File) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// TestDesignHasEveryFaultPoint compares the list in docs/design.md with the
// names in the source.
func TestDesignHasEveryFaultPoint(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(treeRoot, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "### Fault points\n")
	list, _, _ = strings.Cut(list, "\n#")
	var manual, program []string
	for _, m := range regexp.MustCompile("`([a-z]+\\.[a-z]+)`").FindAllStringSubmatch(list, -1) {
		manual = append(manual, m[1])
	}
	point := regexp.MustCompile(`"((?:durable|maildir|mbox|imap|jmap|gmail|smtp|` +
		`pipe|http|files|commit|recover|poll|purge|window|uidreset|reused)\.[a-z]+)"`)
	for _, pattern := range []string{"fetch/*.go", "fetch/*/*.go", "deliver/*/*.go"} {
		names, _ := filepath.Glob(filepath.Join(treeRoot, filepath.FromSlash(pattern)))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil || strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, m := range point.FindAllStringSubmatch(string(text), -1) {
				program = append(program, m[1])
			}
		}
	}
	sameNames(t, "fault point", program, manual)
}

// TestItemsAreRead proves that the reader of manual pages sees what it should.
func TestItemsAreRead(t *testing.T) {
	t.Parallel()
	lines := []string{".It Fl c Ar file , Fl -config Ar file", "Read it.", ".It Cm tls , ca_file", "Default: x.", ".It Va uid , num"}
	for macro, want := range map[string]string{"Fl": "[-config c]", "Cm": "[ca_file tls]", "Va": "[num uid]", "Ev": "[]"} {
		if got := fmt.Sprint(slices.Sorted(maps.Keys(manItems(lines, macro)))); got != want {
			t.Errorf("%s: %s, want %s", macro, got, want)
		}
	}
	if got := manItems(lines, "Cm")["tls"]; got != "Default: x.\n" {
		t.Errorf("text of tls: %q", got)
	}
}
