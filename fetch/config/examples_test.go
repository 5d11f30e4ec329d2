package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

// documented are the configurations and parts of them that the pages, the
// manual and docs/container show, by where they stand.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	examples := make(map[string][]string)
	display := regexp.MustCompile(`(?ms)^\.Bd .*?\n(.*?)^\.Ed`)
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "docs/mailhaul.yaml.5", "docs/container/config*.yaml"} {
		names, _ := filepath.Glob(filepath.Join("../..", filepath.FromSlash(pattern)))
		if len(names) == 0 && !strings.Contains(pattern, "/*/") {
			t.Fatalf("nothing found by %s", pattern)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text := string(data)
			switch filepath.Ext(name) {
			case ".yaml":
				examples[name] = append(examples[name], text)
			case ".5":
				examples[name] = append(examples[name], blocks(display, text)...)
			default:
				examples[name] = append(examples[name], blocks(fence, text)...)
			}
		}
	}
	return examples
}

func blocks(of *regexp.Regexp, text string) (list []string) {
	for _, m := range of.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.ReplaceAll(m[1], `\e`, `\`))
	}
	return list
}

// completed are the whole configurations that a part stands for: the keys or
// the targets of an account; a list of alternatives, one a line, is as many.
func completed(part string) (list []string) {
	indented := func(by, text string) string {
		return regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(text, by+"$1")
	}
	has := func(key string) bool { return regexp.MustCompile(`(?m)^` + key + `:`).MatchString(part) }
	switch lines := strings.SplitAfter(strings.TrimSpace(part)+"\n", "\n"); {
	case has("accounts"), has("include"), has("accounts_from"):
		return []string{part}
	case has("groups"): // Prometheus' own
		return nil
	case strings.HasPrefix(part, "- "):
		part = "deliver:\n" + indented("  ", part)
	case strings.Count(part, "password: {") > 1 && !strings.Contains(part, "\n "):
		for _, line := range lines[:len(lines)-1] {
			list = append(list, completed(line)...)
		}
		return list
	}
	for key, value := range map[string]string{"server": "pop.example.org", "user": "alice",
		"password": "{command: [pass, work]}", "deliver": "[{maildir: /mail}]"} {
		if !has(key) {
			part += key + ": " + value + "\n"
		}
	}
	return []string{"accounts:\n  work:\n" + indented("    ", part)}
}

// TestDocumentedExamples reads each configuration and each part of one that a
// document shows, and holds it against the schema that editors use.
func TestDocumentedExamples(t *testing.T) {
	data, err := Schema(targets())
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, parts := range documented(t) {
		for _, part := range parts {
			for _, text := range completed(part) {
				found++
				checkExample(t, name, text, root)
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d examples found", found)
	}
}

// TestContainerFiles: the files for other programs are at least YAML.
func TestContainerFiles(t *testing.T) {
	names, _ := filepath.Glob("../../docs/container/*.yaml")
	if len(names) < 4 {
		t.Fatalf("only %q", names)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.Unmarshal(text, &v); err != nil || len(v) < 2 {
			t.Errorf("%s: %v, %d keys", name, err, len(v))
		}
	}
}

func checkExample(t *testing.T, name, text string, root map[string]any) {
	t.Helper()
	// What an example names is not on this machine.
	missing := regexp.MustCompile(`no such file|is not set`)
	if _, err := Parse("example.yaml", []byte(text), targets()); err != nil {
		for line := range strings.Lines(err.Error()) {
			if !missing.MatchString(line) {
				t.Errorf("%s: %s in\n%s", name, strings.TrimSpace(line), text)
			}
		}
	}
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%s: %v in\n%s", name, err, text)
	} else if bad := conforms(root, root, v, ""); bad != "" {
		t.Errorf("%s: %s does not conform to the schema in\n%s", name, bad, text)
	}
}
