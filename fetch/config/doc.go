// Package config reads the YAML configuration into typed, validated values.
// It is the only package that knows YAML.
//
// One table a mapping (accountKeys, oauthKeys, ...) says for each key its
// name, type, default and meaning. The walker decodes by these tables, and
// Keys and Schema are printed from them, so what is documented is what is
// accepted. The file is walked as a tree of yaml.Node, not decoded into
// structs: that way all mistakes are found in one pass, each with its line and
// column, and no message names a Go type.
//
// An account's key replaces the same key of defaults as a whole; mappings are
// not merged into each other. YAML anchors, aliases and merge keys work, and
// top-level keys that start with "x-" are ignored, as a place for anchors.
//
// Relative paths start at the directory of the configuration file. In paths,
// and only there, ~, ~user, $VAR and ${VAR} expand; $$ is a dollar sign.
package config
