package rcfile

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// Options are what reading depends on besides files. The package uses no
// global state.
type Options struct {
	// Home is the home directory of the user who ran the other program.
	Home string
	// User is that user's login name: fetchmail delivers to it by default.
	User string
	// HomeOf returns another user's home directory, empty if there is none. It
	// may be nil.
	HomeOf func(user string) string
	// Root means that the other program ran as root, with files elsewhere.
	Root bool
	// LookupEnv is like os.LookupEnv; nil means an empty environment.
	LookupEnv func(name string) (string, bool)
	// SecretDir is the directory that the caller will put Result.Secrets in;
	// an absolute path, as it goes into the YAML.
	SecretDir string
	// Stdin is what the path "-" reads; nil if there is no such thing.
	Stdin io.Reader
	// Targets are the kinds of target that a configuration may name.
	Targets []config.TargetKind
}

// Lookup is LookupEnv, which may be nil.
func (o Options) Lookup(name string) (string, bool) {
	if o.LookupEnv == nil {
		return "", false
	}
	return o.LookupEnv(name)
}

// Env returns a variable of the environment, or "".
func (o Options) Env(name string) string {
	v, _ := o.Lookup(name)
	return v
}

// NoteKind is what became of an option.
type NoteKind uint8

// The kinds of note. Dropped has no counterpart here or could not be carried
// over; Changed has one that is not quite the same, or needs a look; Carried
// is in the YAML.
const (
	Dropped NoteKind = iota
	Changed
	Carried
)

// String returns the words used in the YAML's comments.
func (k NoteKind) String() string {
	return [...]string{Dropped: "not carried over", Changed: "note", Carried: "carried over"}[k]
}

// Note is about one option of the other program's configuration.
type Note struct {
	Kind NoteKind
	// File and Line are where it stands; Line is 0 for a default.
	File string
	Line int
	// Option is what was written, with secrets as ***; it may hold any bytes.
	Option string
	// Why is the reason, and what to do instead; if Carried, the key that the
	// option became.
	Why string
}

// String returns "KIND: OPTION (FILE:LINE): WHY", with control characters
// escaped.
func (n Note) String() string {
	var b strings.Builder
	b.WriteString(n.Kind.String())
	if n.Option != "" {
		b.WriteString(": " + printable(n.Option))
	}
	switch {
	case n.Line > 0:
		fmt.Fprintf(&b, " (%s:%d)", printable(n.File), n.Line)
	case n.File != "":
		fmt.Fprintf(&b, " (%s)", printable(n.File))
	}
	return b.String() + ": " + printable(n.Why)
}

// SecretFile is a secret that the YAML refers to as {file: Path}. The caller
// writes Value to Path, readable by its owner only.
type SecretFile struct {
	Path string
	// Value is the secret, without a newline.
	Value string
}

// String returns the path only.
func (s SecretFile) String() string { return s.Path }

// GoString returns the path only.
func (s SecretFile) GoString() string { return s.Path }

// Result is what a configuration contains.
type Result struct {
	Format Format
	// Files were read.
	Files []string
	// Accounts are in the order of the files; there may be none.
	Accounts []*Account
	// Notes concern no single account.
	Notes []Note
	// Secrets are those that the YAML refers to by file.
	Secrets []SecretFile

	// Options are what Read was called with.
	Options Options
	// SeenFiles are lists that accounts share.
	SeenFiles []string
	// Locks are files that show that the program runs; NoLock is why there is
	// none to look at.
	Locks  []string
	NoLock string
}

// Format is a program whose files can be read.
type Format struct {
	// Name is what a person calls it.
	Name string
	// AtHome means that relative paths start at the home directory, not beside
	// the file; Expand, if not nil, is what the program does to each path.
	AtHome bool
	Expand func(o Options, path string) string
	// Find returns the path where the program itself looks for its
	// configuration.
	Find func(o Options) (string, error)
	// Read parses the file or directory at path into r.
	Read func(r *Result, path string) error
	// Seen parses a file of seen messages and says whose lists they are: see
	// Claim and Own. a is the account that the file belongs to, or nil.
	Seen func(r *Result, file string, data []byte, a *Account) ([]SeenList, error)
	// Busy reports whether the program runs now; why is the evidence. If nothing
	// can show that it runs, why says so and busy is false.
	Busy func(r *Result) (why string, busy bool)
}

// Read parses the configuration at path, or where the program itself looks
// for it if path is empty; "-" is Options.Stdin. The error, FILE:LINE: MESSAGE,
// is about a file that cannot be read or parsed; options without a counterpart
// are notes.
func Read(f Format, path string, o Options) (*Result, error) {
	if path == "" {
		var err error
		if path, err = f.Find(o); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	r := &Result{Format: f, Options: o}
	if err := f.Read(r, path); err != nil {
		return nil, err
	}
	return r, r.finish()
}

// Add adds an account under an unused name that config accepts.
func (r *Result) Add(label, file string, line int) *Account {
	name := accountName(label)
	for n := 2; slices.ContainsFunc(r.Accounts, func(a *Account) bool { return a.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", accountName(label), n)
	}
	a := &Account{Name: name, Start: Option{File: file, Line: line, Name: label}, Enabled: true, result: r}
	r.Accounts = append(r.Accounts, a)
	return a
}

// odd is what no key under accounts may hold.
var odd = regexp.MustCompile(`[^0-9A-Za-z._+@-]`)

// accountName makes a key under accounts: letters, digits and . _ - + @, the
// first a letter or digit.
func accountName(label string) string {
	s := strings.TrimLeft(odd.ReplaceAllString(label, "-"), "._-+@")
	return cmp.Or(strings.TrimRight(s[:min(len(s), 60)], "-"), "account")
}

// Note adds a note that concerns no single account.
func (r *Result) Note(kind NoteKind, o Option, why string) {
	r.Notes = append(r.Notes, Note{kind, o.File, o.Line, o.Text, why})
}
