package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// TargetKind is the kind of a target.
type TargetKind uint8

// The kinds of target.
const (
	TargetMaildir TargetKind = iota
	TargetMbox
	TargetSMTP
	TargetLMTP
	TargetPipe
)

// String returns the word used in the configuration.
func (k TargetKind) String() string { return word(k, targetNames) }

// Target is one place that mail goes to. The pointer of its Kind is set, the
// others are nil.
type Target struct {
	Kind    TargetKind
	Maildir *Maildir
	Mbox    *Mbox
	// Relay is set for SMTP and LMTP.
	Relay *Relay
	Pipe  *Pipe
}

// Maildir is a directory of messages.
type Maildir struct {
	// Path is absolute.
	Path string
}

// MboxFormat is the variant of mbox.
type MboxFormat uint8

// The values of mbox.format.
const (
	MboxRD MboxFormat = iota
	MboxO
	MboxCL2
)

// String returns the word used in the configuration.
func (v MboxFormat) String() string { return word(v, mboxNames) }

// Mbox is a file of messages.
type Mbox struct {
	// Path is absolute.
	Path   string
	Format MboxFormat
	// LockTimeout is how long to wait for another program's lock.
	LockTimeout time.Duration
}

// LineEnds says which line ends a command reads.
type LineEnds uint8

// The values of pipe.line_ends.
const (
	LineEndsLF LineEnds = iota
	LineEndsCRLF
)

// String returns the word used in the configuration.
func (v LineEnds) String() string { return word(v, lineEndNames) }

// Pipe is a command that takes each message on its stdin.
type Pipe struct {
	Command  []string
	Timeout  time.Duration
	LineEnds LineEnds
	// Env is added to the command's environment, each NAME=VALUE.
	Env []string
}

// ID names the target in the state. It does not change with what is only a
// matter of how (timeouts, passwords).
func (t Target) ID() string {
	switch t.Kind {
	case TargetMaildir:
		return "maildir:" + t.Maildir.Path
	case TargetMbox:
		return "mbox:" + t.Mbox.Path
	case TargetPipe:
		words := make([]string, len(t.Pipe.Command))
		for i, a := range t.Pipe.Command {
			if words[i] = a; a == "" || strings.ContainsAny(a, " \t\n\r\"") {
				words[i] = strconv.Quote(a)
			}
		}
		return "pipe:" + strings.Join(words, " ")
	}
	id := t.Kind.String() + ":" + t.Relay.Server.String()
	if len(t.Relay.To) > 0 {
		id += " to " + strings.Join(t.Relay.To, ",")
	}
	return id
}

// target decodes a mapping with exactly one key, the kind.
func target() kind[Target] {
	const words = "a target such as maildir: PATH"
	props := objectSchema(targetKeys)
	props["minProperties"], props["maxProperties"] = 1, 1
	return kind[Target]{
		info: info{words: words, schema: props, inner: innerKeys(targetKeys)},
		decode: func(w *walker, path string, n *yaml.Node) (Target, bool) {
			var t Target
			if n.Kind != yaml.MappingNode {
				w.wants(n, path, words)
				return t, false
			}
			before := len(w.errs)
			w.walk(path, n, targetKeys(&t), false)
			if len(w.errs) == before && len(w.pairs(path, n, false).names) != 1 {
				w.errorf(n, path, "wants exactly one of %s (is a - missing before the next?)", strings.Join(strings.Fields(targetNames), ", "))
			}
			return t, len(w.errs) == before
		}}
}

func targetKeys(t *Target) []key {
	as := func(k TargetKind) func() { return func() { t.Kind = k } }
	return []key{
		on("maildir", "", "path of a Maildir, which is created if it is missing; or a mapping", pointer(either(maildirPath(), mapping("a mapping of path", Maildir{}, maildirKeys, checkMaildir))), &t.Maildir).then(as(TargetMaildir)),
		on("mbox", "", "path of an mbox file, which is created if it is missing; or a mapping", pointer(either(mboxPath(), mapping("a mapping of path, format, lock_timeout", freshMbox(), mboxKeys, checkMbox))), &t.Mbox).then(as(TargetMbox)),
		on("smtp", "", "SMTP relay, a mapping", pointer(mapping("a mapping", freshRelay(), smtpKeys, checkSMTP)), &t.Relay).then(as(TargetSMTP)),
		on("lmtp", "", "LMTP server, a mapping", pointer(mapping("a mapping", freshRelay(), lmtpKeys, checkLMTP)), &t.Relay).then(as(TargetLMTP)),
		on("pipe", "", "command that reads one message on its standard input, a mapping", pointer(mapping("a mapping of command, timeout, line_ends, env", freshPipe(), pipeKeys, checkPipe)), &t.Pipe).then(as(TargetPipe)),
	}
}

func maildirPath() kind[Maildir] {
	return parsed("a path, or a mapping of path", schema{"type": "string"}, func(w *walker, s string) (Maildir, error) {
		p, err := w.path(s)
		return Maildir{Path: p}, err
	})
}

func mboxPath() kind[Mbox] {
	return parsed("a path, or a mapping of path, format, lock_timeout", schema{"type": "string"}, func(w *walker, s string) (Mbox, error) {
		m := freshMbox()
		var err error
		m.Path, err = w.path(s)
		return m, err
	})
}

func freshMbox() Mbox { return Mbox{LockTimeout: time.Minute} }

func freshPipe() Pipe { return Pipe{Timeout: 5 * time.Minute} }

func maildirKeys(m *Maildir) []key {
	return []key{
		on("path", "", "directory of the Maildir", path(), &m.Path),
	}
}

func mboxKeys(m *Mbox) []key {
	return []key{
		on("path", "", "path of the file", path(), &m.Path),
		on("format", "mboxrd", "how lines that look like separators are quoted: `mboxrd`, `mboxo` or `mboxcl2`", enum[MboxFormat](mboxNames), &m.Format),
		on("lock_timeout", "1m", "longest wait for another program's lock", duration(0), &m.LockTimeout),
	}
}

func pipeKeys(p *Pipe) []key {
	return []key{
		on("command", "", "program and arguments, without a shell", argv(), &p.Command),
		on("timeout", "5m", "longest time for one message", duration(time.Second), &p.Timeout),
		on("line_ends", "lf", "line ends of the message: `lf` or `crlf`", enum[LineEnds](lineEndNames), &p.LineEnds),
		on("env", "", "list of NAME=VALUE to add to the environment", list(assignment(), "a list of NAME=VALUE"), &p.Env),
	}
}

func checkMaildir(w *walker, path string, n *yaml.Node, _ *Maildir) { w.needs(path, n, "path") }
func checkMbox(w *walker, path string, n *yaml.Node, _ *Mbox)       { w.needs(path, n, "path") }
func checkPipe(w *walker, path string, n *yaml.Node, _ *Pipe)       { w.needs(path, n, "command") }

// needs reports a key that must be there.
func (w *walker) needs(path string, n *yaml.Node, name string) {
	if !w.has(path, name) {
		w.errorf(n, path, "wants %s", name)
	}
}

func assignment() kind[string] {
	return parsed("NAME=VALUE", schema{"type": "string", "pattern": "^[^=]+="}, func(_ *walker, s string) (string, error) {
		if name, _, ok := strings.Cut(s, "="); !ok || !plainKey(name) || strings.ContainsRune(s, 0) {
			return "", errors.New("wants NAME=VALUE")
		}
		return s, nil
	})
}

// recipient decodes an address for RCPT. Local parts alone are fine for LMTP.
func recipient() kind[string] {
	return parsed("an address", schema{"type": "string"}, func(_ *walker, s string) (string, error) { return s, checkAddress(s) })
}

// checkAddress refuses what would break the command that carries the address.
func checkAddress(s string) error {
	if s == "" || len(s) > 320 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }) {
		return fmt.Errorf("is not an address")
	}
	return nil
}
