package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDesignNamesFunctions looks for each `(*Type).name` in `file` of
// docs/design.md in that file, and holds each walk to eight stops.
func TestDesignNamesFunctions(t *testing.T) {
	t.Parallel()
	page := readText(t, filepath.Join(treeRoot, "docs", "design.md"))
	named := regexp.MustCompile("`(?:\\(\\*?(\\w+)\\)\\.)?(\\w+)` in\\s+`([\\w./]+)`").FindAllStringSubmatch(page, -1)
	if len(named) < 20 {
		t.Errorf("only %d functions are named", len(named))
	}
	for _, m := range named {
		if !declares(t, filepath.Join(treeRoot, filepath.FromSlash(m[3])), m[1], m[2]) {
			t.Errorf("%s has no function %s of %q", m[3], m[2], m[1])
		}
	}
	for _, walk := range []string{"## The walk of one message", "## The walk of one error"} {
		_, text, _ := strings.Cut(page, walk+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		if n := len(regexp.MustCompile(`(?m)^\| [0-9]+ \|`).FindAllString(text, -1)); n < 5 || n > 8 {
			t.Errorf("%s has %d stops", walk, n)
		}
	}
}

// declares reports whether a file has a function with that receiver type.
func declares(t *testing.T, file, receiver, name string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Error(err)
		return false
	}
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Name.Name == name && receiverOf(fn) == receiver
	})
}

// receiverOf is the name of a method's type; empty for a function.
func receiverOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	return exprText(typ)
}

// TestTypesAreSmall: no type has more than 25 methods. The client of POP3 has one for each
// verb, and what an account says of a server is plain data with a row for each key.
func TestTypesAreSmall(t *testing.T) {
	t.Parallel()
	limits := map[string]int{"fetch/pop3.Client": 45, "fetch/config.Remote": 32}
	methods := make(map[string]int)
	for _, p := range goList(t) {
		dir := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasSuffix(dir, "test") {
			continue
		}
		for _, f := range parseDir(t, filepath.Join(treeRoot, filepath.FromSlash(dir))) {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
					methods[dir+"."+receiverOf(fn)]++
				}
			}
		}
	}
	for name, n := range methods {
		if n > max(25, limits[name]) {
			t.Errorf("%s has %d methods", name, n)
		}
	}
	if methods["fetch/pop3.Client"] < 30 {
		t.Error("the client's methods were not counted")
	}
}

// TestDesignHasEveryPackage compares the table of packages in docs/design.md
// with the table of imports.
func TestDesignHasEveryPackage(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readText(t, filepath.Join(treeRoot, "docs", "design.md")), "\n## Packages\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var page, program []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z0-9/, ]+) \| [^|\n]+ \| [^|\n]+ \|$`).FindAllStringSubmatch(text, -1) {
		names := strings.Split(row[1], ", ")
		for i, name := range names {
			if i > 0 { // "deliver/maildir, mbox" are neighbours
				name = path.Join(path.Dir(names[0]), name)
			}
			page = append(page, name)
		}
	}
	for name := range layers {
		if name == "" {
			name = "main"
		}
		if !strings.HasSuffix(name, "*") && name != "fetch/pop3/pop3test/realtest" {
			program = append(program, name)
		}
	}
	sameNames(t, "package", program, page[1:]) // the head of the table
}
