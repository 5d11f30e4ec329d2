package config

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestEnumsAreComplete compares the words of each enum key with the constants
// in the source of the enum's package: each constant has its own word, and the
// key takes all of them.
func TestEnumsAreComplete(t *testing.T) {
	words := map[string][]string{}
	for _, k := range accountKeys(new(Account), nil) {
		words[k.name] = enumWords(k.schema)
	}
	for _, k := range oauthKeys(new(OAuth)) {
		words["oauth."+k.name] = enumWords(k.schema)
	}
	for _, k := range dedupeKeys(new(Dedupe)) {
		words["dedupe."+k.name] = enumWords(k.schema)
	}
	for key, all := range map[string]string{
		"tls":              complete[pop3.Security](t, "../pop3"),
		"pipelining":       complete[pop3.Pipelining](t, "../pop3"),
		"auth":             complete[sasl.Method](t, "../sasl"),
		"utf8":             complete[session.UTF8](t, "../session"),
		"on_reject":        complete[plan.OnReject](t, "../plan"),
		"gmail":            complete[plan.GmailMode](t, "../plan"),
		"dedupe.by":        complete[DedupeBy](t, "."),
		"dedupe.action":    complete[Duplicate](t, "."),
		"oauth.flow":       complete[provider.Flow](t, "../../oauth/provider"),
		"oauth.auth_style": complete[provider.AuthStyle](t, "../../oauth/provider"),
	} {
		got := slices.Sorted(slices.Values(words[key]))
		if strings.Join(got, " ") != all {
			t.Errorf("%s takes %q, its type has %q", key, got, all)
		}
	}
}

func enumWords(s schema) (words []string) {
	list, _ := s["enum"].([]any)
	for _, w := range list {
		words = append(words, w.(string))
	}
	return words
}

// complete returns the words of all exported constants of an enum, sorted.
func complete[E interface {
	~uint8
	String() string
}](t *testing.T, dir string) string {
	t.Helper()
	name := reflect.TypeFor[E]().Name()
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
