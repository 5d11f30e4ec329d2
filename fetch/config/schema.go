package config

import (
	"encoding/json"
	"maps"
)

// Schema returns a JSON Schema (draft 2020-12) of the configuration, for
// editors. It describes structure; Parse also checks what belongs together.
func Schema(o Options) ([]byte, error) {
	root := objectSchema(func(c *Config) []Row { return configKeys(c, o.Targets) })
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "mailhaul configuration"
	root["required"] = []string{"accounts"}
	root["patternProperties"] = schema{"^x-": schema{}}
	root["$defs"] = schema{"account": objectSchema(accountTable(o.Targets))}
	return json.MarshalIndent(root, "", "  ")
}

// objectSchema describes a mapping by its table.
func objectSchema[S any](table func(*S) []Row) schema {
	props := schema{}
	for _, k := range table(new(S)) {
		p := maps.Clone(k.schema)
		p["description"] = k.doc
		props[k.name] = p
	}
	return schema{"type": "object", "properties": props, "additionalProperties": false}
}
