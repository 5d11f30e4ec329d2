package command

import (
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestEnumsAreComplete compares the words of each enum key in the schema with
// the constants in the source of the enum's package: each constant has its own
// word, and the key takes all of them.
func TestEnumsAreComplete(t *testing.T) {
	t.Parallel()
	text, err := config.Schema(configOptions())
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	for path, all := range map[string]string{
		"account.tls":        strings.Replace(complete[pop3.Security](t), " pop2 ", " ", 1), // by account.protocol
		"account.protocol":   "pop2 pop3",
		"account.pipelining": complete[pop3.Pipelining](t),
		"account.auth":       complete[sasl.Method](t),
		"account.utf8":       complete[session.UTF8](t),
		"account.on_reject":  complete[plan.OnReject](t),
		"account.gmail":      complete[plan.GmailMode](t),
		"dedupe.by":          complete[config.DedupeBy](t),
		"dedupe.action":      complete[config.Duplicate](t),
		"login.flow":         complete[provider.Flow](t),
		"login.auth_style":   complete[provider.AuthStyle](t),
		"smtp.tls":           complete[smtp.Security](t),
		"lmtp.tls":           complete[smtp.Security](t),
		"mbox.format":        complete[mbox.Format](t),
		"pipe.line_ends":     complete[pipe.LineEnds](t),
	} {
		mapping, key, _ := strings.Cut(path, ".")
		got := schemaWords(within(within(root, mapping), key))
		slices.Sort(got)
		if strings.Join(got, " ") != all {
			t.Errorf("%s takes %q, its type has %q", path, got, all)
		}
	}
}

// within finds the value of a key at any depth.
func within(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		if found, ok := v[key]; ok {
			return found
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if found := within(v[name], key); found != nil {
				return found
			}
		}
	case []any:
		for _, e := range v {
			if found := within(e, key); found != nil {
				return found
			}
		}
	}
	return nil
}

func schemaWords(v any) (words []string) {
	list, _ := within(v, "enum").([]any)
	for _, w := range list {
		words = append(words, w.(string))
	}
	return words
}

// complete returns the words of all exported constants of an enum, sorted.
func complete[E interface {
	~uint8
	String() string
}](t *testing.T) string {
	t.Helper()
	enum := reflect.TypeFor[E]()
	name := enum.Name()
	dir := filepath.Join(treeRoot, strings.TrimPrefix(enum.PkgPath(), module))
	words := map[string]bool{}
	values := constants(t, dir, name)
	for _, v := range values {
		words[E(v).String()] = true
	}
	if len(values) < 2 || len(words) != len(values) {
		t.Errorf("%s has %d values and the words %v", name, len(values), words)
	}
	var list []string
	for w := range words {
		list = append(list, w)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// constants evaluates the exported constants of a type in the source in dir.
func constants(t *testing.T, dir, name string) (values []uint8) {
	t.Helper()
	fset, files := token.NewFileSet(), []*ast.File(nil)
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// What is imported does not matter to constants: errors about it are dropped.
	conf := types.Config{Error: func(error) {}, IgnoreFuncBodies: true}
	pkg, _ := conf.Check(dir, fset, files, nil)
	for _, id := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(id).(*types.Const)
		if !ok || !c.Exported() || !strings.HasSuffix(c.Type().String(), "."+name) {
			continue
		}
		v, _ := constant.Uint64Val(c.Val())
		values = append(values, uint8(v))
	}
	return values
}
