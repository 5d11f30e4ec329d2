// Package config reads the YAML configuration into the types that run:
// pop3.Server, plan.Policy, schedule.Schedule, oauth.Config and so on. An
// Account holds them, and beside them what only a configuration has: secrets,
// files and commands. It is the only package that knows YAML.
//
// One table a mapping (accountKeys, oauthKeys, ...) says for each key its
// name, type, default, meaning, and the field that it fills. The walker decodes
// by these tables, and Keys and Schema are printed from them, so what is
// documented is what is accepted. The words of an enum are what its values are
// called in its own package. The file is walked as a tree of yaml.Node, not
// decoded into structs: one walk finds all mistakes, each with its line and
// column, and no message names a Go type.
//
// An account's key replaces the same key of defaults as a whole; mappings are
// not merged into each other. YAML anchors, aliases and merge keys work, and
// top-level keys that start with "x-" are ignored, as a place for anchors.
//
// Relative paths start at the directory of the configuration file. In paths,
// and only there, ~, ~user, $VAR and ${VAR} expand; $$ is a dollar sign.
package config
