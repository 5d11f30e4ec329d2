package durable

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed are the calls elsewhere that make no file durable, or not ours.
var allowed = map[string]string{
	"state/open.go db.bolt.Sync":        "the database syncs its own file",
	"state/compact.go dst.bolt.Sync":    "the same",
	"deliver/mbox/dotlock.go os.Rename": "a lock is no data",
}

var forbidden = []string{"os.Rename", "os.WriteFile", "syscall.Rename", "unix.Rename", "unix.Renameat", "unix.Renameat2",
	"syscall.Fsync", "unix.Fsync", "unix.Fdatasync", "unix.Syncfs", "unix.Sync", "windows.FlushFileBuffers", "windows.MoveFileEx"}

// TestOnlyThisPackageSyncs: no other package that ships calls fsync or renames
// a file over another.
func TestOnlyThisPackageSyncs(t *testing.T) {
	found := make(map[string]bool)
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel("../..", path)
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "docs" || name == "deliver/durable" || strings.HasSuffix(name, "test") ||
			d.Name() != ".." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files++
			return callsIn(path, func(call string, args int) {
				if slices.Contains(forbidden, call) || strings.HasSuffix(call, ".Sync") && args == 0 {
					found[name+" "+call] = true
				}
			})
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files read: %v", files, err)
	}
	for call := range found {
		if allowed[call] == "" {
			t.Errorf("%s: use package durable", call)
		}
	}
	for call := range allowed {
		if !found[call] {
			t.Errorf("%s: is allowed, and not there any more", call)
		}
	}
}

// callsIn calls fn with each call of a method or of another package's function.
func callsIn(path string, fn func(call string, args int)) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if call := dotted(c.Fun); call != "" {
				fn(call, len(c.Args))
			}
		}
		return true
	})
	return nil
}

// dotted is an expression of names and dots as text, with () for a call in it.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return dotted(e.Fun) + "()"
	}
	return ""
}
