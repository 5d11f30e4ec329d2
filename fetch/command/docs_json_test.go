package command

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
)

// printed are the objects that commands print with --json.
var printed = []any{jsonline.Summary{}, jsonline.Plan{}, jsonline.Status{}, jsonline.Finding{}, jsonline.Step{}, jsonline.Init{},
	jsonline.Report{}, jsonline.Purge{},
	jsonline.State{}, jsonline.Failure{}, jsonline.Token{}, jsonline.Checked{}, jsonline.TakenOver{}, jsonline.Match{},
	jsonline.Logout{}, jsonline.Access{}, jsonline.Open{}, jsonline.Device{},
	jsonline.Chain{}, jsonline.Forgotten{}, jsonline.Marked{}, jsonline.Imported{}, jsonline.Verified{}, jsonline.Compared{},
	jsonline.Version{}, jsonline.Waiting{}, jsonline.Error{}}

func TestManualHasEveryJSONField(t *testing.T) {
	t.Parallel()
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

// TestNoListIsNull: a program reads each list of each object, and gets [] if there is
// nothing in it.
func TestNoListIsNull(t *testing.T) {
	t.Parallel()
	for _, v := range append(slices.Clone(printed), jsonline.PlanFile{}, jsonline.Notice{}) {
		text, err := json.Marshal(v)
		if err != nil || strings.Contains(string(text), "null") {
			t.Errorf("%T: %s, %v", v, text, err)
		}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if tag := f.Tag.Get("json"); f.Type.Kind() == reflect.Slice && !strings.HasPrefix(f.Type.Name(), "List[") &&
				!strings.Contains(tag, "omitempty") {
				t.Errorf("%T: the list %s is null if it is empty", v, f.Name)
			}
		}
	}
}

// TestPrintedObjectsAreKnown: the manual's test sees every object that is
// printed. They are all in package jsonline; no command has a struct for JSON of
// its own, or prints one made on the spot.
func TestPrintedObjectsAreKnown(t *testing.T) {
	t.Parallel()
	known := []string{"PlanFile", "Notice"} // a file of ours; mailhaul.yaml(5) has the other
	for _, v := range printed {
		known = append(known, reflect.TypeOf(v).Name())
	}
	set := token.NewFileSet()
	for _, f := range slices.Concat(parseFiles(t, set, "."), parseFiles(t, set, "*")) {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && hasJSON(spec) && (f.Name.Name != "jsonline" ||
				!slices.Contains(known, spec.Name.Name)) {
				t.Errorf("%s: %s is not among the objects of jsonline that are printed", set.Position(spec.Pos()), spec.Name)
			}
			return true
		})
		for c := range calls(f) {
			if sel, ok := c.Fun.(*ast.SelectorExpr); !ok || !slices.Contains(writers, sel.Sel.Name) {
				continue
			}
			for _, arg := range c.Args {
				if lit, ok := arg.(*ast.CompositeLit); ok && !isJSONLine(lit.Type) {
					t.Errorf("%s: an object that is not of jsonline", set.Position(lit.Pos()))
				}
			}
		}
	}
}

// writers are the functions that print an object.
var writers = []string{"Encode", "Marshal", "MarshalIndent", "Row"}

func isJSONLine(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == "jsonline"
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
