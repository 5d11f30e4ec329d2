package config_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

// conforms is as much of a JSON Schema validator as our schema needs. It
// returns the path of the first thing that does not conform, or "".
func conforms(root, s map[string]any, v any, at string) string {
	if ref, ok := s["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/$defs/")
		return conforms(root, root["$defs"].(map[string]any)[name].(map[string]any), v, at)
	}
	if alts, ok := s["anyOf"].([]any); ok {
		for _, alt := range alts {
			if conforms(root, alt.(map[string]any), v, at) == "" {
				return ""
			}
		}
		return at
	}
	if list, ok := s["enum"].([]any); ok {
		for _, e := range list {
			if fmt.Sprint(e) == fmt.Sprint(v) {
				return ""
			}
		}
		return at
	}
	if !typed(s["type"], v) {
		return at
	}
	switch v := v.(type) {
	case map[string]any:
		return conformsObject(root, s, v, at)
	case []any:
		for i, e := range v {
			if bad := conforms(root, s["items"].(map[string]any), e, fmt.Sprintf("%s[%d]", at, i)); bad != "" {
				return bad
			}
		}
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return at
		}
	}
	return ""
}

func conformsObject(root, s, v map[string]any, at string) string {
	if m, ok := s["maxProperties"].(float64); ok && len(v) > int(m) {
		return at
	}
	props, _ := s["properties"].(map[string]any)
	for name, e := range v {
		sub, ok := props[name].(map[string]any)
		if !ok {
			if sub, ok = s["additionalProperties"].(map[string]any); !ok {
				return at + "." + name
			}
		}
		if bad := conforms(root, sub, e, at+"."+name); bad != "" {
			return bad
		}
	}
	return ""
}

// typed reports whether v has one of the types that t names.
func typed(t, v any) bool {
	names, ok := t.([]any)
	if !ok {
		names = []any{t}
	}
	for _, name := range names {
		switch v.(type) {
		case map[string]any:
			ok = name == "object"
		case []any:
			ok = name == "array"
		case string:
			ok = name == "string"
		case bool:
			ok = name == "boolean"
		case int:
			ok = name == "integer" || name == "number"
		default:
			ok = name == "number"
		}
		if ok {
			return true
		}
	}
	return false
}

func TestSchema(t *testing.T) {
	data, err := Schema(targets())
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	if root["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Error(root["$schema"])
	}
	for text, want := range map[string]string{
		example:                        "",
		account("keep: {days: 1}"):     "",
		account("password: {x: y}"):    ".accounts.work.password",
		account("keep: al"):            ".accounts.work.keep",
		account("sever: x"):            ".accounts.work.sever",
		account("every: 5"):            "",
		account("every: 5q"):           ".accounts.work.every",
		account("max_size: 10MiB"):     "",
		account("max_size: ten"):       ".accounts.work.max_size",
		account("enabled: [true]"):     ".accounts.work.enabled",
		"defaults: {tls: ssl}":         ".defaults.tls",
		"metric: x":                    ".metric",
		"accounts: {a: {deliver: {}}}": ".accounts.a.deliver",
		"accounts: {a: {deliver: [{maildir: a, mbox: b}]}}": ".accounts.a.deliver[0]",
	} {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := conforms(root, root, v, ""); got != want {
			t.Errorf("%s\ngot %q, want %q", text, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys(targets()) {
		if k.Type == "" || k.Doc == "" || strings.HasSuffix(k.Doc, ".") || seen[k.Path] {
			t.Errorf("%+v: no type, no doc, or twice", k)
		}
		seen[k.Path] = true
	}
	for _, path := range []string{"state", "defaults", "accounts.NAME.keep.days", "accounts.NAME.deliver[].smtp.to",
		"accounts.NAME.oauth.client_secret.file", "accounts.NAME.limit.bytes_per_day", "log.level"} {
		if !seen[path] {
			t.Errorf("%s is missing", path)
		}
	}
}
