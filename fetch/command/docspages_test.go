package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The pages: their links lead somewhere, and what they quote is what the
// program says and writes.

// docPages are README.md and the pages of docs, by their paths.
func docPages(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/packaging/*.md"} {
		names, _ := filepath.Glob(filepath.Join(treeRoot, filepath.FromSlash(pattern)))
		for _, name := range names {
			pages[name] = readText(t, name)
		}
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages found", len(pages))
	}
	return pages
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for name, text := range docPages(t) {
		for _, link := range deadLinks(name, text) {
			t.Errorf("%s: dead link %s", name, link)
		}
	}
}

var linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// deadLinks are the relative links of a page that lead to no file, or to no
// heading of it.
func deadLinks(name, text string) (dead []string) {
	for _, m := range linkTarget.FindAllStringSubmatch(text, -1) {
		file, heading, _ := strings.Cut(m[1], "#")
		if strings.Contains(file, ":") {
			continue // another site
		}
		to := name
		if file != "" {
			to = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
		}
		if _, err := os.Stat(to); err != nil || heading != "" && !hasHeading(to, heading) {
			dead = append(dead, m[1])
		}
	}
	return dead
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// hasHeading reports whether a page has a heading with that anchor, as code
// forges make them.
func hasHeading(name, anchor string) bool {
	text, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		title := strings.TrimLeft(line, "#")
		if title == line {
			continue
		}
		title = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(title, " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestDeadLinksAreFound(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.md")
	text := "# One, or `two`\n[a](#one-or-two) [b](#three) [c](b.md) [d](a.md#one-or-two) [e](https://example.org/x) [f](.)\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(deadLinks(name, text), " "); got != "#three b.md" {
		t.Errorf("%q", got)
	}
}

// TestNamedFilesExist looks for each source file that a page names. A name
// without a directory, as in "fetch/pop3/wire.go, dot.go", is in that of the one
// before it.
func TestNamedFilesExist(t *testing.T) {
	t.Parallel()
	n := 0
	for name, text := range docPages(t) {
		if strings.HasSuffix(name, "performance.md") {
			continue // commands with patterns
		}
		dir := ""
		for _, file := range regexp.MustCompile(`[\w./-]+\.go\b`).FindAllString(text, -1) {
			file = strings.TrimPrefix(file, "../")
			if strings.Contains(file, "/") {
				dir = filepath.Dir(file)
			} else {
				file = filepath.Join(dir, file)
			}
			if _, err := os.Stat(filepath.Join(treeRoot, file)); err != nil {
				t.Errorf("%s names %s, which does not exist", name, file)
			}
			n++
		}
	}
	if n < 50 {
		t.Errorf("only %d files found", n)
	}
}

// TestTroubleshootingQuotes looks for each error text that the page explains in
// the program, and in what the scripts expect of it.
func TestTroubleshootingQuotes(t *testing.T) {
	t.Parallel()
	said := programTexts(t)
	page := readText(t, filepath.Join(treeRoot, "docs/troubleshooting.md"))
	for _, m := range regexp.MustCompile(`"(The [^"]+)"`).FindAllStringSubmatch(page, -1) { // an explanation
		if text := strings.ReplaceAll(m[1], "\n", " "); !isSaid(said, text) {
			t.Errorf("%q: mailhaul does not explain that so", text)
		}
	}
	lead := regexp.MustCompile(`(?ms)^\*\*(.*?)\*\*`)
	code := regexp.MustCompile("`([^`]+)`")
	quotes := 0
	for _, m := range lead.FindAllStringSubmatch(page, -1) {
		for _, q := range code.FindAllStringSubmatch(strings.ReplaceAll(m[1], "\n", " "), -1) {
			quotes++
			for _, part := range fixedParts(q[1]) {
				if !isSaid(said, part) {
					t.Errorf("%q of %q: mailhaul does not say that", part, q[1])
				}
			}
		}
	}
	if quotes < 15 {
		t.Errorf("only %d quotes found", quotes)
	}
	if isSaid(said, "certificate is not to be trusted") || isSaid(said, "greeting: no such text") {
		t.Error("a text that does not exist is found")
	}
}

// fixedParts are the words of a quoted error between what differs each time.
func fixedParts(quote string) (parts []string) {
	for _, part := range regexp.MustCompile(`\.\.\.|\bN\b`).Split(quote, -1) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// isSaid reports whether the program has a text: as it is, or, since errors
// wrap each other, piece by piece.
func isSaid(said, text string) bool {
	if strings.Contains(said, text) {
		return true
	}
	pieces := strings.Split(text, ": ")
	for _, piece := range pieces {
		if len(pieces) == 1 || !strings.Contains(said, piece) {
			return false
		}
	}
	return true
}

// programTexts is the source that ships, and the outputs that the scripts
// expect.
func programTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"fetch/*.go", "fetch/*/*.go", "deliver/*/*.go", "fetch/*/*/*.go", "state/*.go", "oauth/*.go",
		"fetch/command/testdata/script/*.txtar"} {
		names, _ := filepath.Glob(filepath.Join(treeRoot, filepath.FromSlash(pattern)))
		if len(names) == 0 {
			t.Fatalf("nothing found by %s", pattern)
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				all.WriteString(readText(t, name))
			}
		}
	}
	return all.String()
}

// TestProviderPages runs init as the pages tell, and compares what it writes.
func TestProviderPages(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	for page, args := range map[string][]string{
		"gmail.md":   {"--address", "alice@gmail.com"},
		"outlook.md": {"--address", "alice@outlook.com", "--client-id", "00000000-1111-2222-3333-444444444444"},
	} {
		text := readText(t, filepath.Join(treeRoot, "docs", page))
		want := "mailhaul init " + strings.Join(args, " ")
		before, after, ok := strings.Cut(text, want)
		if !ok {
			t.Errorf("%s does not tell to run %s", page, want)
		}
		block := fence.FindStringSubmatch(after)
		if block == nil {
			block = fence.FindStringSubmatch(before)
		}
		if block == nil {
			t.Fatalf("%s shows no configuration", page)
		}
		home := t.TempDir()
		if code, out := initAt(t, home, append(args, "--yes", "--no-connect")...); code != 0 {
			t.Fatal(code, out)
		}
		written := strings.ReplaceAll(readText(t, filepath.Join(home, "etc/mailhaul/config.yaml")), "~/etc/", "~/.config/")
		if !strings.Contains(written, block[1]) {
			t.Errorf("%s shows\n%s\ninit writes\n%s", page, block[1], written)
		}
	}
}
