package command

import (
	"go/ast"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// printed are the objects that commands print with --json.
var printed = []any{summaryJSON{}, planJSON{}, statusJSON{}, checkJSON{}, checkStep{}, initJSON{}, reportJSON{}, purgeJSON{},
	accountJSON{}, failureJSON{}, tokenJSON{}, accountCheckJSON{}, takenJSON{}, matchJSON{}, logoutJSON{}, accessJSON{}, openJSON{}, deviceJSON{},
	chainJSON{}, forgottenJSON{}, markedJSON{}, importedJSON{}, verifiedJSON{}, comparedJSON{}, versionJSON{}, waitingMail{}}

func TestManualHasEveryJSONField(t *testing.T) {
	manual := make(map[string]bool)
	for _, line := range readPage(t, "mailhaul.1").sections["JSON OUTPUT"] {
		if strings.HasPrefix(line, ".It ") || strings.HasPrefix(line, ".Va ") {
			for _, name := range wordsBehind(line[1:], "Va") {
				manual[strings.Trim(name, ".,;")] = true
			}
		}
	}
	for _, v := range printed {
		for _, name := range jsonFields(reflect.TypeOf(v)) {
			if !manual[name] {
				t.Errorf("field %s of %T is not in the manual", name, v)
			}
		}
	}
}

// TestPrintedObjectsAreKnown: no object is printed that the test above does not
// see, neither a struct nor a map made on the spot.
func TestPrintedObjectsAreKnown(t *testing.T) {
	known := []string{"planFile", "notice"} // a file of ours; mailhaul.yaml(5) has the other
	for _, v := range printed {
		known = append(known, reflect.TypeOf(v).Name())
	}
	set := token.NewFileSet()
	for _, f := range parseFiles(t, set, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && hasJSON(spec) && !slices.Contains(known, spec.Name.Name) {
				t.Errorf("%s: %s is not among the objects that are printed", set.Position(spec.Pos()), spec.Name)
			}
			return true
		})
		for c := range calls(f) {
			sel, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Encode", "Marshal", "MarshalIndent", "tell", "changed"}, sel.Sel.Name) {
				continue
			}
			for _, arg := range c.Args {
				if lit, ok := arg.(*ast.CompositeLit); ok && !isNamed(lit.Type) {
					t.Errorf("%s: an object without a type of its own", set.Position(lit.Pos()))
				}
			}
		}
	}
}

func isNamed(e ast.Expr) bool {
	_, ok := e.(*ast.Ident)
	return ok
}

// hasJSON reports whether a type is a struct with names for JSON.
func hasJSON(spec *ast.TypeSpec) bool {
	s, ok := spec.Type.(*ast.StructType)
	return ok && slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		return f.Tag != nil && strings.Contains(f.Tag.Value, "json:")
	})
}

// jsonFields are the names of a struct's fields in JSON, embedded and nested
// ones included.
func jsonFields(typ reflect.Type) (names []string) {
	for f := range fieldsOf(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && strings.HasPrefix(inner.PkgPath(), module) {
			names = append(names, jsonFields(inner)...)
		}
	}
	return names
}

func fieldsOf(typ reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}
