package config

import (
	"errors"
	"strings"

	"gopkg.in/yaml.v3"
)

// shellWord quotes a path for a command that a person will paste.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(strings.ReplaceAll(s, "/", ""), notPlain) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// SecretOf decodes one of the forms of a secret.
func SecretOf() Kind[Secret] {
	const words = "one of command, file, env, credential, keyring, netrc, or a plain string"
	return Kind[Secret]{
		info: info{words: words, inner: innerKeys(secretKeys),
			schema: anyOf(fixed(schema{"type": []string{"string", "number"}}), oneKeyOf(secretKeys))},
		decode: func(w *walker, path string, n *yaml.Node) (Secret, bool) {
			if n.Kind != yaml.MappingNode {
				return w.plainSecret(path, n, words)
			}
			if w.untrusted {
				w.errorf(n, path, "is a secret of this machine, and %s is not trusted: it may bring only a plain one", w.file)
				return Secret{}, false
			}
			var d secretData
			before := len(w.errs)
			w.walk(path, n, secretKeys(&d), true)
			if len(w.errs) > before {
				return Secret{}, false
			}
			if len(w.pairs(path, n, true).names) != 1 || d.kind == SecretNone {
				w.errorf(n, path, "wants exactly one of command, file, env, credential, keyring, netrc")
				return Secret{}, false
			}
			d.opts = w.opts
			return hide(&d), true
		}}
}

func (w *walker) plainSecret(path string, n *yaml.Node, words string) (Secret, bool) {
	text, ok := w.text(path, n, words)
	if !ok {
		return Secret{}, false
	}
	if err := checkText(text); err != nil {
		w.errorf(n, path, "%v", err)
		return Secret{}, false
	}
	if w.opts.Shared {
		w.errorf(n, path, "a plain secret in a file that others can read: run chmod 600 %s, or name a command or file", shellWord(w.file))
		return Secret{}, false
	}
	return PlainSecret(text), true
}

func secretKeys(d *secretData) []Row {
	name := func(word, doc string, as SecretKind, k Kind[string]) Row {
		return On(word, "", doc, k, &d.name).then(func() { d.kind = as })
	}
	return []Row{
		On("command", "", "command whose first line of output is the secret", Command(), &d.argv).then(func() { d.kind = SecretCommand }),
		name("file", "file that holds the secret, with mode 0600 or less", SecretFile, Path()),
		name("env", "environment variable that holds the secret", SecretEnv, Text("a variable's name")),
		name("credential", "name of a systemd credential", SecretCredential, credential()),
		name("keyring", "service in the system's keyring, with the account's user", SecretKeyring, Text("a service's name")),
		{name: "netrc", doc: "whether to look in ~/.netrc or $NETRC for the host and user", info: Boolean().info,
			set: func(w *walker, path string, n *yaml.Node) {
				switch v, ok := Boolean().decode(w, path, n); {
				case ok && v:
					d.kind = SecretNetrc
				case ok:
					w.errorf(n, path, "wants true")
				}
			}},
	}
}

// credential decodes the name of a credential, which is a file name.
func credential() Kind[string] {
	return parsed("a credential's name", schema{"type": "string"}, func(_ *walker, s string) (string, error) {
		if s == "." || s == ".." || strings.ContainsAny(s, `/\`) {
			return "", errors.New("is the name of a credential, not a path")
		}
		return s, checkText(s)
	})
}
