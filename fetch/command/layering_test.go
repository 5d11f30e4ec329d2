package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/token"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mailhaul/mailhaul"

// layers is the import direction of docs/design.md: what each package may
// import of this module. A pattern ending in /* stands for one level below.
var layers = map[string][]string{
	"": {"fetch/command", "fetch/command/exit", "fetch/command/term"},

	"fetch/command": {"fetch", "fetch/*", "fetch/rcfile/programs", "fetch/command/*", "deliver", "deliver/*", "state", "oauth",
		"oauth/provider"},

	"fetch/command/exit": {"fetch", "fetch/config", "oauth"},

	"fetch/command/term": {"fetch", "fetch/ledger", "fetch/command/advice", "fetch/command/exit", "fetch/command/jsonline"},

	// Advice knows every error: it looks down only.
	"fetch/command/advice": {"fetch", "fetch/*", "fetch/sasl/gssapi", "fetch/command/exit", "deliver", "deliver/*", "state",
		"oauth", "oauth/provider"},

	"fetch/command/hook":    {"deliver/pipe", "deliver/process", "fetch/command/term"},
	"fetch/command/logging": {"fetch/command/term"},

	"fetch/command/watch": {"deliver/process", "fetch", "fetch/ledger", "fetch/command/advice", "fetch/command/hook",
		"fetch/command/jsonline", "fetch/command/term", "fetch/config", "fetch/sources", "state", "deliver/durable"},

	"fetch/command/account": {"fetch", "fetch/*", "fetch/sasl/gssapi", "fetch/command/advice", "fetch/command/exit",
		"fetch/command/hook", "fetch/command/route", "fetch/command/target", "fetch/command/term", "deliver", "deliver/*", "state",
		"oauth"},

	"fetch/command/doctor": {"fetch", "fetch/*", "fetch/command/account", "fetch/command/advice", "fetch/command/exit",
		"fetch/command/jsonline", "fetch/command/target", "fetch/command/term", "deliver", "state"},

	"fetch/command/sandbox": {"fetch", "fetch/*", "fetch/command/target", "deliver", "deliver/durable", "deliver/process", "state"},

	"fetch/command/jsonline": {"fetch", "fetch/plan", "fetch/proof", "fetch/sources", "state"},
	"fetch/command/route": {"deliver/process", "fetch/config", "fetch/pop3", "fetch/command/advice", "fetch/command/exit",
		"fetch/command/hook"},

	"fetch/proof": {"fetch", "fetch/session", "fetch/ledger", "fetch/plan", "fetch/header", "deliver", "deliver/fault", "state"},
	"fetch": {"fetch/session", "fetch/commit", "fetch/ledger", "fetch/header", "fetch/plan", "fetch/schedule",
		"fetch/pop3", "deliver", "deliver/fault", "state"},
	"fetch/session": {"fetch/commit", "fetch/ledger", "fetch/plan", "fetch/header", "fetch/pop3", "deliver", "deliver/fault",
		"state"},
	"fetch/commit":        {"fetch/ledger", "fetch/plan", "fetch/header", "fetch/recipient", "deliver", "deliver/fault", "state"},
	"fetch/ledger":        {"fetch/plan", "fetch/pop3", "deliver", "state"},
	"fetch/plan":          {"fetch/header", "fetch/recipient", "fetch/pop3", "state"},
	"fetch/recipient":     {"fetch/header"},
	"fetch/header":        {"state"},
	"fetch/schedule":      {},
	"fetch/shard":         {"deliver/durable"},
	"fetch/pop3":          {"fetch/sasl"},
	"fetch/pop2":          {"fetch/pop3"},
	"fetch/pop2/pop2test": {"fetch/pop3/pop3test"},
	"fetch/sasl":          {},
	"fetch/sasl/gssapi":   {"fetch/sasl"},
	"fetch/config": {"deliver/process", "fetch/session", "fetch/recipient", "fetch/plan", "fetch/schedule", "fetch/pop3",
		"fetch/sasl", "fetch/sasl/gssapi", "oauth", "oauth/provider"},
	"fetch/sources":       {"fetch/config", "deliver/process", "deliver/durable"},
	"fetch/autoconf":      {},
	"fetch/pop3/pop3test": {},
	"fetch/fetchtest":     {"fetch", "fetch/*", "fetch/pop3/pop3test", "deliver", "deliver/*", "deliver/smtp/smtptest", "state"},

	"fetch/rcfile":             {"fetch/config", "fetch/pop3"},
	"fetch/rcfile/programs":    {"fetch/rcfile", "fetch/rcfile/*"},
	"fetch/rcfile/fetchmail":   {"fetch/config", "fetch/pop3", "fetch/rcfile"},
	"fetch/rcfile/getmail":     {"fetch/config", "fetch/pop3", "fetch/rcfile"},
	"fetch/rcfile/mpop":        {"fetch/config", "fetch/pop3", "fetch/rcfile"},
	"fetch/rcfile/fdm":         {"fetch/config", "fetch/pop3", "fetch/rcfile"},
	"fetch/rcfile/thunderbird": {"fetch/config", "fetch/pop3", "fetch/rcfile"},

	"fetch/command/target": {"fetch", "fetch/config", "fetch/pop3", "fetch/proof", "fetch/sasl", "deliver", "deliver/*",
		"oauth/provider", "state"},

	"fetch/command/setup": {"deliver/process", "fetch", "fetch/autoconf", "fetch/command/account", "fetch/command/advice",
		"fetch/command/doctor", "fetch/command/exit", "fetch/command/jsonline", "fetch/command/target", "fetch/command/term",
		"fetch/config", "deliver/durable", "oauth", "oauth/provider"},

	"fetch/command/target/toytest": {"fetch", "fetch/config", "fetch/proof", "fetch/command/target", "deliver"},

	"fetch/pop3/pop3test/realtest": {"fetch/pop3/pop3test"},

	"deliver":                 {},
	"deliver/durable":         {"deliver/fault"},
	"deliver/fault":           {},
	"deliver/delivertest":     {"deliver", "deliver/fault"},
	"deliver/content":         {"deliver", "deliver/spool", "deliver/fault"},
	"deliver/remote":          {"deliver", "deliver/content", "deliver/fault"},
	"deliver/jmap":            {"deliver", "deliver/content", "deliver/remote", "deliver/fault", "deliver/web"},
	"deliver/jmap/jmaptest":   {},
	"deliver/gmail":           {"deliver", "deliver/content", "deliver/remote", "deliver/spool", "deliver/fault", "deliver/web"},
	"deliver/gmail/gmailtest": {},
	"deliver/imap": {"deliver", "deliver/content", "deliver/remote", "deliver/login", "deliver/spool", "deliver/durable",
		"deliver/fault"},
	"deliver/maildir":       {"deliver", "deliver/durable", "deliver/fault"},
	"deliver/mbox":          {"deliver", "deliver/durable", "deliver/fault", "deliver/spool"},
	"deliver/spool":         {"deliver"},
	"deliver/login":         {},
	"deliver/smtp":          {"deliver", "deliver/login", "deliver/spool", "deliver/durable", "deliver/fault"},
	"deliver/smtp/smtptest": {"fetch/pop3/pop3test"},
	"deliver/process":       {},
	"deliver/web":           {"deliver"},
	"deliver/pipe":          {"deliver", "deliver/process", "deliver/spool", "deliver/durable", "deliver/fault"},
	"deliver/files":         {"deliver", "deliver/durable", "deliver/fault"},
	"deliver/*":             {"deliver", "deliver/spool", "deliver/durable", "deliver/fault"}, // a new target

	// Services that take mail by HTTP.
	"deliver/http":             {"deliver", "deliver/spool", "deliver/fault", "deliver/web"},
	"deliver/http/servicetest": {},

	"state":          {"deliver/durable", "deliver/fault"},
	"oauth":          {"deliver/process", "oauth/provider", "deliver/durable"},
	"oauth/provider": {},
}

// owners are the packages that alone may import a library.
var owners = map[string]string{
	"github.com/adhocore/gronx":   "fetch/schedule",
	"github.com/jcmturner/gokrb5": "fetch/sasl/gssapi",
	"gopkg.in/yaml.v3":            "fetch/config",
	"go.etcd.io/bbolt":            "state",
	"golang.org/x/oauth2":         "oauth",
	"github.com/urfave/cli/v2":    "fetch/command",
	"github.com/xdg-go/scram":     "fetch/sasl",
	"github.com/emersion/go-smtp": "deliver/smtp",
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t) {
		rel := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, known := layers[rel]
		if !known {
			allowed, known = layers[path.Dir(rel)+"/*"]
		}
		if !known {
			t.Errorf("%s is in no layer: add it to the table and to docs/design.md", p.ImportPath)
		}
		for _, imp := range p.Imports {
			checkImport(t, rel, imp, allowed)
		}
	}
}

// TestImportWithoutKerberos: who uses the POP3 client, or the engine, as a library
// does not link a Kerberos library.
func TestImportWithoutKerberos(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"fetch/pop3", "fetch"} {
		out, err := exec.Command("go", "list", "-deps", module+"/"+p).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := string(out)
		if !strings.Contains(deps, module+"/fetch/sasl\n") || strings.Contains(deps, "krb5") || strings.Contains(deps, "gssapi") {
			t.Errorf("%s needs\n%s", p, deps)
		}
	}
}

func checkImport(t *testing.T, rel, imp string, allowed []string) {
	t.Helper()
	for lib, owner := range owners {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && rel != owner && !strings.HasSuffix(rel, "test") {
			t.Errorf("%s imports %s: only %s may", rel, imp, owner)
		}
	}
	own, ok := strings.CutPrefix(imp, module+"/")
	if !ok {
		return
	}
	if strings.HasSuffix(own, "test") && !strings.HasSuffix(rel, "test") {
		t.Errorf("%s imports the test package %s", rel, own)
	}
	fits := func(pattern string) bool {
		ok, _ := path.Match(pattern, own)
		return ok
	}
	if !slices.ContainsFunc(allowed, fits) {
		t.Errorf("%s must not import %s", rel, own)
	}
}

// goList lists the packages of this module with their non-test imports.
func goList(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var list []listedPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("only %d packages listed", len(list))
	}
	return list
}

// TestExitCodesAreDecidedInOnePlace: of the command tree only package exit names
// codes, beside comparisons. fetch.ExitOf decides for the engine's errors.
func TestExitCodesAreDecidedInOnePlace(t *testing.T) {
	t.Parallel()
	set := token.NewFileSet()
	for _, f := range slices.Concat(parseFiles(t, set, "."), parseFiles(t, set, "*")) {
		if f.Name.Name == "exit" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
				return false
			}
			sel, ok := n.(*ast.SelectorExpr)
			if ok && isIdent(sel.X, "fetch") && sel.Sel.Name != "ExitOf" && strings.HasPrefix(sel.Sel.Name, "Exit") &&
				sel.Sel.Name != "Exit" {
				t.Errorf("%s: fetch.%s: a code is decided here and not in package exit", set.Position(n.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}
