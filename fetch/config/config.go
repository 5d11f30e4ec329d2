package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a configuration file.
const maxFile = 16 << 20

// Config is a whole configuration file.
type Config struct {
	// Path is the file's name as given to Load or Parse.
	Path string
	// State is the state directory, absolute; empty if the file names none:
	// then DefaultState holds.
	State string
	// Parallel is how many accounts are fetched at a time, PerHost how many of
	// them from one server (0: no limit).
	Parallel, PerHost int
	// Metrics is loop's metrics listener.
	Metrics Metrics
	// MetricsFile is the Prometheus text file; empty: none.
	MetricsFile string
	// NoSandbox means that the process must not confine itself.
	NoSandbox bool
	// Log is the form and threshold of the log.
	Log Log
	// Logins are those with a name of their own, in the order of the file.
	Logins []*OAuth
	// Accounts are in the order of the file, disabled ones included; those from
	// elsewhere come after them.
	Accounts  []*Account
	Elsewhere Elsewhere
	// Result gets the result of each run; the zero value: nothing does.
	Result Web
}

// Log is the form and threshold of the log.
type Log struct {
	JSON  bool
	Level slog.Level
}

// Options are what reading a configuration depends on besides its bytes. The
// zero value uses the process's environment.
type Options struct {
	// Targets are the kinds that deliver may name.
	Targets []TargetKind
	// LookupEnv replaces os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Keyring looks up keyring secrets; without it they fail when resolved.
	Keyring func(service, user string) (string, error)
	// Shared means that others may read the file: a plain password in it is
	// then a mistake. Load finds out by itself.
	Shared bool
	// Elsewhere reads what c.Elsewhere names, if there is any, and hands over each
	// list. It is called when the file is read; nil: such accounts are left out.
	Elsewhere func(c *Config, adopt func(Document) (Adopted, error))

	mode  os.FileMode // of the file
	group bool        // files with secrets may be used by their group
}

func (o Options) lookup(name string) (string, bool) {
	if o.LookupEnv != nil {
		return o.LookupEnv(name)
	}
	return os.LookupEnv(name)
}

// File is a configuration file that was read, for who parses it again: the file may be
// another one by then, half edited.
type File struct {
	path string
	data []byte
	mode os.FileMode
}

// Load reads and checks the file at path. Mistakes in it are an Errors; a file
// that cannot be read is another error.
func Load(path string, opts Options) (*Config, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	return f.Parse(opts)
}

// Parse is Parse for the file as it was read.
func (f *File) Parse(opts Options) (*Config, error) {
	opts.mode = f.mode
	opts.Shared = opts.Shared || opts.shared(f.mode)
	return Parse(f.path, f.data, opts)
}

// Read reads a file.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Brief(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, Brief(err)
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s: is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, Brief(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: is larger than 16 MiB", path)
	}
	return &File{path, data, st.Mode()}, nil
}

// shared reports whether a file's mode lets others use it than may: its owner, or its
// group too. Windows' modes do not say.
func (o *Options) shared(m os.FileMode) bool {
	others := os.FileMode(0o077)
	if o.group {
		others = 0o007
	}
	return runtime.GOOS != "windows" && m.Perm()&others != 0
}

// tooOpen is the error of a file that is shared.
func (o *Options) tooOpen(m os.FileMode, path string) error {
	if m.Perm()&0o007 == 0 {
		return fmt.Errorf("its group can use it (mode %04o): run chmod 600 %s, or set secrets: group if the group is trusted", m.Perm(), shellWord(path))
	}
	return fmt.Errorf("others can use it (mode %04o): run chmod 600 %s", m.Perm(), shellWord(path))
}

// Parse reads and checks a configuration. Name is the file's name in messages,
// and relative paths start at its directory. The error is an Errors with
// every mistake. Files that the configuration names are looked at, but not
// secrets: they are resolved when used.
func Parse(name string, data []byte, opts Options) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	if s := splitFile(data); s != nil {
		if c, err := parse(name, dir, s.rest, opts, s); !s.failed {
			return c, err
		}
	}
	return parse(name, dir, data, opts, nil)
}

// parse parses data, which has no accounts if they are in s.
func parse(name, dir string, data []byte, opts Options, s *split) (*Config, error) {
	w := &walker{file: name, dir: dir, opts: opts, split: s, accounts: newAccounts(), logins: newLogins(),
		visits: maxVisits + len(data)}
	c := &Config{Path: name, Parallel: 4, Elsewhere: Elsewhere{Refresh: 5 * time.Minute}}
	root := w.document(data)
	if s != nil && (root == nil || !s.whole(root)) {
		s.failed = true
		return nil, nil
	}
	if root != nil {
		w.walk("", root, configKeys(c, opts.Targets), false)
		if _, ok := w.marks.get("accounts"); !ok && len(w.errs) == 0 && !c.Elsewhere.Any() {
			w.errorf(root, "", "has no accounts: section")
		}
		w.checkLast() // of defaults
		if s == nil || !s.failed {
			w.elsewhere(c)
		}
		w.finishLogins(c)
	}
	if len(w.errs) > 0 {
		return nil, w.errs.sorted()
	}
	return c, nil
}

// document parses the one YAML document of a file; nil if it is not usable.
func (w *walker) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && doc.Kind == 0 {
		w.errorf(&yaml.Node{}, "", "is empty: it needs an accounts: section")
		return nil
	}
	if err != nil {
		w.syntax(data, err)
		return nil
	}
	root := w.target(doc.Content[0])
	switch {
	case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null":
		w.errorf(root, "", "is empty: it needs an accounts: section")
		return nil
	case root.Kind != yaml.MappingNode:
		w.wants(root, "", "a mapping with accounts: in it")
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		w.errorf(&second, "", "a second YAML document starts here: only one is read")
	case !errors.Is(err, io.EOF):
		w.syntax(data, err)
	}
	return root
}

// syntax reports what the YAML parser refused. Its own message is kept, save
// where that would repeat a value (an unquoted password that starts with *).
func (w *walker) syntax(data []byte, err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	if line, col, ok := tabIndent(data); ok {
		w.errorf(&yaml.Node{Line: line, Column: col}, "", "a tab indents this line: YAML wants spaces")
		return
	}
	lines := bytes.Split(data, []byte("\n"))
	broken, structural := brokenLine(lines, err)
	if structural {
		if wrong := misplaced(lines[:broken+1]); wrong != "" {
			w.errorf(&yaml.Node{Line: broken + 1, Column: indentOf(lines[broken]) + 1}, "", "%s", wrong)
			return
		}
	}
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line ([0-9]+): `).FindStringSubmatch(msg); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	switch {
	case structural:
		at.Line = broken + 1
	case strings.HasPrefix(msg, "did not find expected ',' or"): // the parser counts these lines from 0
		at.Line = min(at.Line+1, 1+bytes.Count(bytes.TrimSpace(data), []byte("\n")))
	}
	if m := regexp.MustCompile(`unknown anchor '(.*)' referenced`).FindStringSubmatch(msg); m != nil {
		if before, _, ok := bytes.Cut(data, []byte("*"+m[1])); ok {
			at.Line += bytes.Count(before, []byte("\n"))
			at.Column = len(before) - bytes.LastIndexByte(before, '\n')
		}
		msg = "an alias (*...) names no anchor; text that starts with * must be quoted"
	}
	w.errorf(at, "", "is not YAML: %s", msg)
}

// tabIndent finds the first line that a tab indents.
func tabIndent(data []byte) (line, col int, ok bool) {
	for i, l := range bytes.Split(data, []byte("\n")) {
		indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
		if t := bytes.IndexByte(indent, '\t'); t >= 0 && len(indent) < len(bytes.TrimRight(l, "\r")) {
			return i + 1, t + 1, true
		}
	}
	return 0, 0, false
}

// configKeys is the table of the top level. The walk follows the table: secrets stands
// before all that has secrets, and defaults before accounts.
func configKeys(c *Config, kinds []TargetKind) []Row {
	return slices.Concat([]Row{
		secretsRow(),
		On("state", "$XDG_STATE_HOME/mailhaul", "directory of the state, with one file for each maildrop", Path(), &c.State),
		On("parallel", "4", "number of accounts to fetch at the same time, 1 to 10000", Integer(1, 10000), &c.Parallel),
		On("per_host", "no limit", "number of them that may be at one server; 0 means no limit", Integer(0, 10000), &c.PerHost),
		On("metrics", "", "loopback address, such as `127.0.0.1:9110`, or a mapping, where loop serves Prometheus at /metrics", metricsKind(), &c.Metrics),
		On("metrics_file", "", "file in Prometheus' text format, replaced after each run", Path(), &c.MetricsFile),
		On("sandbox", "on", "whether fetch and loop confine themselves to their own files on Linux: `on` or `off`", Choice("on off", false, true), &c.NoSandbox),
		On("log", "", "settings of the log on standard error", mapping("a mapping", Log{}, logKeys, nil), &c.Log),
		loginsRow(c),
		{name: "defaults", doc: "account keys for all accounts that do not set them",
			info: info{words: "a mapping of account keys", schema: fixed(schema{"$ref": "#/$defs/account"})},
			set:  setDefaults},
		{name: "accounts", doc: "accounts by name, at least one",
			info: info{words: "a mapping of accounts", inner: func(p string) []Key { return innerKeys(accountTable(kinds))(p + ".NAME") },
				schema: fixed(schema{"type": "object", "minProperties": 1, "additionalProperties": schema{"$ref": "#/$defs/account"}})},
			set: func(w *walker, path string, n *yaml.Node) { setAccounts(w, path, n, c) }},
	}, elsewhereKeys(&c.Elsewhere), []Row{
		On("result", "", "command or URL that gets the result of each run",
			mapping("a mapping of command, or of url and headers", Web{}, resultKeys, checkWeb), &c.Result),
	})
}

// secretsRow decides who may use the files that hold secrets, this one included.
func secretsRow() Row {
	var group bool
	row := On("secrets", "owner", "who may use files that hold secrets: `owner`, or `group` too, as Kubernetes mounts them", Choice("owner group", false, true), &group)
	set := row.set
	row.set = func(w *walker, path string, n *yaml.Node) {
		set(w, path, n)
		w.opts.group = group
		w.opts.Shared = w.opts.Shared && (!group || w.opts.mode == 0 || w.opts.shared(w.opts.mode))
	}
	return row
}

func logKeys(l *Log) []Row {
	return []Row{
		On("format", "text", "format of the log of loop: `text` or `json`", Choice("text json", false, true), &l.JSON),
		On("level", "info", "lowest level in the log of loop: `debug`, `info`, `warn` or `error`",
			Choice("debug info warn error", slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError), &l.Level),
	}
}
