package config

import (
	"encoding/json"
	"maps"
)

// Key documents one key of the configuration.
type Key struct {
	// Path is the key with NAME for an account's name and [] for the elements
	// of a list, as accounts.NAME.deliver[].smtp.to.
	Path string
	// Type says in words what the key accepts.
	Type string
	// Default is what holds without the key, in words; empty for nothing.
	Default string
	// Doc is one line.
	Doc string
}

// Keys returns every key that a configuration may have, in the order of the
// manual. The keys of defaults are those of an account and not repeated.
func Keys(o Options) []Key {
	return innerKeys(func(c *Config) []Row { return configKeys(c, o.Targets) })("")
}

func accountTable(kinds []TargetKind) func(*Account) []Row {
	return func(a *Account) []Row { return accountKeys(a, kinds) }
}

// innerKeys lists the rows of a table and what is inside them.
func innerKeys[S any](table func(*S) []Row) func(path string) []Key {
	return func(path string) []Key {
		var out []Key
		for _, k := range table(new(S)) {
			at := join(path, k.name)
			out = append(out, Key{Path: at, Type: k.words, Default: k.def, Doc: k.doc})
			if k.inner != nil {
				out = append(out, k.inner(at)...)
			}
		}
		return out
	}
}

// Schema returns a JSON Schema (draft 2020-12) of the configuration, for
// editors. It describes structure; Parse also checks what belongs together.
func Schema(o Options) ([]byte, error) {
	root := objectSchema(func(c *Config) []Row { return configKeys(c, o.Targets) })()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "mailhaul configuration"
	root["patternProperties"] = schema{"^x-": schema{}}
	root["$defs"] = schema{"account": objectSchema(accountTable(o.Targets))(), "login": oauthMapping().schema()}
	return json.MarshalIndent(root, "", "  ")
}

// objectSchema describes a mapping by its table.
func objectSchema[S any](table func(*S) []Row) func() schema {
	return func() schema {
		props := schema{}
		for _, k := range table(new(S)) {
			p := maps.Clone(k.schema())
			p["description"] = k.doc
			props[k.name] = p
		}
		return schema{"type": "object", "properties": props, "additionalProperties": false}
	}
}

// oneKeyOf describes a mapping with exactly one of the keys of its table.
func oneKeyOf[S any](table func(*S) []Row) func() schema {
	return func() schema {
		s := objectSchema(table)()
		s["minProperties"], s["maxProperties"] = 1, 1
		return s
	}
}
