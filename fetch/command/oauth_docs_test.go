package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestOAuthDocument compares the table of providers in docs/oauth.md with the
// presets. With MAILHAUL_UPDATE=1 it is rewritten.
func TestOAuthDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join(treeRoot, "docs", "oauth.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)<!-- presets -->\n.*<!-- /presets -->`)
	if !block.Match(text) {
		t.Fatal("no place for the table")
	}
	want := block.ReplaceAllLiteral(text, []byte("<!-- presets -->\n"+presetTable()+"<!-- /presets -->"))
	if bytes.Equal(text, want) {
		return
	}
	if os.Getenv("MAILHAUL_UPDATE") == "" {
		t.Fatalf("the table of providers should be (MAILHAUL_UPDATE=1 writes it):\n%s", presetTable())
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

func presetTable() string {
	var b strings.Builder
	b.WriteString("| `provider` | POP3 server | scopes | flows | registration | password |\n|---|---|---|---|---|---|\n")
	for _, row := range provider.All() {
		p := row.OAuth
		if p == nil {
			continue
		}
		registration := "open"
		if p.Closed {
			registration = "*closed*"
		}
		if len(p.Notes) > 0 {
			registration += ": " + strings.Join(p.Notes, "; ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", asCode(append([]string{p.Name}, p.Aliases...)...), servers(row),
			asCode(p.Scopes...), asCode(flowWords(p)...), registration, row.Password)
	}
	return b.String()
}

func servers(p *provider.Provider) string {
	list := strings.Join(p.Servers, ", ")
	if p.OAuth.XOAuth2Only {
		list += " (XOAUTH2)"
	}
	return list
}

func flowWords(p *provider.Preset) (words []string) {
	for _, f := range p.Flows {
		words = append(words, f.String())
	}
	return words
}

// asCode are words as code, with commas.
func asCode(words ...string) string { return "`" + strings.Join(words, "`, `") + "`" }

// TestOAuthDocumentKnowsOurErrors: each number of Microsoft's that the document
// explains has a hint in the program, too.
func TestOAuthDocumentKnowsOurErrors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(treeRoot, "docs", "oauth.md"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := regexp.MustCompile(`AADSTS(\d+)`).FindAllSubmatch(text, -1)
	if len(numbers) < 15 {
		t.Fatalf("only %d numbers found", len(numbers))
	}
	for _, m := range numbers {
		if r := provider.RefusalOf("", string(m[1]), "", "", provider.Browser); r == nil || r.Advice == "" {
			t.Errorf("AADSTS%s has no hint", m[1])
		}
	}
}
