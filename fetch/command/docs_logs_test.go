package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestManualHasEveryLogKey(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	for _, top := range []string{"fetch", "deliver", "state", "oauth"} {
		err := filepath.WalkDir(filepath.Join(treeRoot, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || strings.HasSuffix(path, "test") {
				return err
			}
			files := token.NewFileSet()
			for _, f := range parseFiles(t, files, path) {
				for c := range calls(f) {
					keys, unknown := logKeys(c)
					for _, key := range keys {
						found[key] = true
					}
					if unknown != nil {
						t.Errorf("%s: a log key that is no literal, or a logger whose name does not say so", files.Position(unknown.Pos()))
					}
				}
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	sameNames(t, "log key", keysOfMap(found), keysOfMap(manItems(readPage(t, "mailhaul.1").under("LOGGING"), "Va")))
}

// calls are the function calls in a file.
func calls(f ast.Node) func(yield func(*ast.CallExpr) bool) {
	return func(yield func(*ast.CallExpr) bool) {
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				return yield(c)
			}
			return true
		})
	}
}

// logKeys are the keys that a call hands to slog: in a slog.String and its
// like, or as every second argument of a method of a logger. Unknown is what
// may be one and cannot be read.
func logKeys(c *ast.CallExpr) (keys []string, unknown ast.Expr) {
	if isAttr(c) {
		key, ok := stringLiteral(c.Args[0])
		if !ok {
			return nil, c
		}
		return []string{key}, nil
	}
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil, nil
	}
	first := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0, "Log": 3,
		"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2}
	from, ok := first[sel.Sel.Name] // LogAttrs takes attributes alone
	if !ok || len(c.Args) == 0 || isIdent(sel.X, "fault") || isIdent(sel.X, "http") {
		return nil, nil // err.Error(), fault.Error(point), http.Error(w, ...)
	}
	if !strings.Contains(strings.ToLower(exprText(sel.X)), "log") {
		return nil, c
	}
	for i := from; i < len(c.Args); i++ {
		if attr, ok := c.Args[i].(*ast.CallExpr); ok && isAttr(attr) {
			continue // takes one place; it is met as a call of its own
		}
		key, ok := stringLiteral(c.Args[i])
		if !ok {
			return keys, c.Args[i]
		}
		keys = append(keys, key)
		i++
	}
	return keys, nil
}

// isAttr reports whether a call makes an attribute with a key.
func isAttr(c *ast.CallExpr) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	return ok && isIdent(sel.X, "slog") && len(c.Args) > 0 &&
		slices.Contains(strings.Fields("String Int Int64 Bool Any Duration Time Float64 Uint64 Group"), sel.Sel.Name)
}

// exprText is enough of an expression's text to know a logger by its name.
func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return exprText(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return exprText(e.Fun) + "()"
	}
	return ""
}

func stringLiteral(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// TestLogKeysAreRead proves that the reader of sources sees what it should.
func TestLogKeysAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`log.Info("m", "a", 1, "b", 2)`:                          "a b",
		`r.log.With("a", x).Warn("m", slog.Int("b", 1), "c", 2)`: "a b c",
		`log.InfoContext(ctx, "m", "a", 1)`:                      "a",
		`log.Info("m", key, 1)`:                                  "?",
		`log.Info("m", "a", 1, args...)`:                         "? a",
		`log.Info("m", slog.String(key, "x"))`:                   "?",
		`out.Info("m", "a", 1)`:                                  "?",
		`log.Log(ctx, level, "m", "a", 1)`:                       "a",
		`fmt.Fprint(w, err.Error())`:                             "",
		`log.Error("m", "a", fmt.Sprint(slog.StringValue("b")))`: "a",
		`slog.Group("a", slog.Any("b", x))`:                      "a b",
	} {
		e, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for c := range calls(e) {
			keys, unknown := logKeys(c)
			if got = append(got, keys...); unknown != nil {
				got = append(got, "?")
			}
		}
		slices.Sort(got)
		if text := strings.Join(slices.Compact(got), " "); text != want {
			t.Errorf("%s: %q, want %q", e, text, want)
		}
	}
}
