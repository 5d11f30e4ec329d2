package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/process"
)

// SecretKind says where a secret comes from.
type SecretKind uint8

// The kinds of secret. SecretNone is no secret at all.
const (
	SecretNone SecretKind = iota
	SecretCommand
	SecretFile
	SecretEnv
	SecretCredential
	SecretKeyring
	SecretNetrc
	SecretPlain
)

// String returns the word used in the configuration.
func (k SecretKind) String() string {
	return word(k, "none command file env credential keyring netrc plain")
}

// maxSecret bounds a secret; tokens have a few KiB.
const maxSecret = 64 << 10

// Secret says where a secret is; Resolve gets it. However it is printed, it
// prints as REDACTED. The zero value is no secret.
type Secret struct {
	// d is a function because fmt cannot call Format on an unexported field of
	// another struct, and then prints what it finds, even behind a pointer.
	d func() *secretData
}

func hide(d *secretData) Secret { return Secret{func() *secretData { return d }} }

type secretData struct {
	kind       SecretKind
	argv       []string
	name       string // of a file, variable, credential or service
	plain      string
	host, user string        // for keyring and netrc
	limit      time.Duration // of the command or the keyring; 0: the usual one
	opts       Options
}

// PlainSecret is a secret that is already known, from a prompt for example.
func PlainSecret(text string) Secret {
	return hide(&secretData{kind: SecretPlain, plain: text})
}

// CommandSecret is the first line that a command prints.
func CommandSecret(argv []string) Secret {
	return hide(&secretData{kind: SecretCommand, argv: argv})
}

// EnvSecret is the value of an environment variable.
func EnvSecret(name string) Secret {
	return hide(&secretData{kind: SecretEnv, name: name})
}

// FileSecret is the content of a file that only its owner can read.
func FileSecret(path string) Secret {
	return hide(&secretData{kind: SecretFile, name: path})
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.d == nil }

// Kind says where the secret comes from.
func (s Secret) Kind() SecretKind {
	if s.d == nil {
		return SecretNone
	}
	return s.d().kind
}

// Equal reports whether both name the same secret, for comparisons in tests.
func (s Secret) Equal(o Secret) bool {
	if s.d == nil || o.d == nil {
		return s.IsZero() && o.IsZero()
	}
	a, b := s.d(), o.d()
	return a.kind == b.kind && a.name == b.name && a.plain == b.plain && slices.Equal(a.argv, b.argv)
}

// Source describes where the secret comes from, without it: "command pass",
// "file /etc/secret".
func (s Secret) Source() string {
	switch k := s.Kind(); k {
	case SecretNone, SecretPlain, SecretNetrc:
		return k.String()
	case SecretCommand:
		// Only the program: an argument may be secret.
		return k.String() + " " + s.Command()[0]
	default:
		return k.String() + " " + s.d().name
	}
}

// File is the file that the secret is read from, empty if none.
func (s Secret) File() string {
	switch s.Kind() {
	case SecretFile:
		return s.d().name
	case SecretNetrc:
		path, _ := s.d().netrcFile() // unknown: there is none to read
		return path
	case SecretCredential:
		if dir, ok := s.d().opts.lookup("CREDENTIALS_DIRECTORY"); ok && dir != "" {
			return filepath.Join(dir, s.d().name)
		}
	}
	return ""
}

// Command is the command that prints the secret, nil if none. Its arguments may be
// secret.
func (s Secret) Command() []string {
	if s.Kind() != SecretCommand {
		return nil
	}
	return s.d().argv
}

const redacted = "REDACTED"

// Format prints REDACTED for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String returns REDACTED.
func (s Secret) String() string { return redacted }

// MarshalText returns REDACTED, for JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns REDACTED, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Bind gives keyring and netrc secrets the host and user to look up.
func (s Secret) Bind(host, user string) Secret {
	if s.d == nil {
		return s
	}
	d := *s.d()
	d.host, d.user = host, user
	return hide(&d)
}

// Within bounds how long the command or the keyring may take; 0: the usual limit.
func (s Secret) Within(limit time.Duration) Secret {
	if s.d == nil {
		return s
	}
	d := *s.d()
	d.limit = limit
	return hide(&d)
}

// SecretError says that a secret could not be got from where it is kept.
type SecretError struct {
	Kind SecretKind
	err  error
}

func (e *SecretError) Error() string { return e.err.Error() }

func (e *SecretError) Unwrap() error { return e.err }

// ErrNoSecret is what Resolve returns for the zero Secret.
var ErrNoSecret = errors.New("no secret is configured")

// Resolve gets the secret. It is called when the secret is needed, each time
// anew, and takes a minute (a command), 15 s (a keyring) or what Within says at
// most. The error never contains the secret.
func (s Secret) Resolve(ctx context.Context) (string, error) {
	if s.d == nil {
		return "", ErrNoSecret
	}
	text, err := s.d().get(ctx)
	switch {
	case err != nil:
	case text == "":
		err = errors.New("is empty")
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		err = errors.New("is UTF-16: save it as UTF-8")
	case strings.HasPrefix(text, "\ufeff"):
		err = errors.New("begins with a byte order mark, which some editors add: save it as UTF-8 without one")
	case strings.ContainsAny(text, "\r\n\x00"):
		// CR and LF would end the command that carries the secret.
		err = errors.New("has more than one line, or a NUL")
	}
	if err != nil {
		return "", &SecretError{s.Kind(), fmt.Errorf("%s: %w", s.Source(), err)}
	}
	return text, nil
}

func (d *secretData) get(ctx context.Context) (string, error) {
	switch d.kind {
	case SecretCommand:
		return runSecret(ctx, cmp.Or(d.limit, commandLimit), d.argv)
	case SecretFile:
		return readSecret(d.name, &d.opts)
	case SecretEnv:
		v, ok := d.opts.lookup(d.name)
		if !ok {
			return "", errors.New("the variable is not set (cron and systemd set few)")
		}
		return v, nil
	case SecretCredential:
		dir, ok := d.opts.lookup("CREDENTIALS_DIRECTORY")
		if !ok || dir == "" {
			return "", errors.New("$CREDENTIALS_DIRECTORY is not set: not started by systemd with LoadCredential=?")
		}
		// systemd guards the directory itself, and its files need not be 0600.
		return readSecret(filepath.Join(dir, d.name), nil)
	case SecretKeyring:
		if d.opts.Keyring == nil {
			return "", errors.New("there is no keyring on this system")
		}
		return process.Call(ctx, cmp.Or(d.limit, keyringLimit), func() (string, error) { return d.opts.Keyring(d.name, d.user) })
	case SecretNetrc:
		return d.netrc()
	}
	return d.plain, nil
}

// readSecret reads a file and drops the newline at its end. If private is not nil, it
// says who may use the file.
func readSecret(path string, private *Options) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", reason(err)
	}
	if !st.Mode().IsRegular() {
		return "", errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", reason(err)
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil {
		return "", reason(err)
	}
	if private != nil && private.shared(st.Mode()) {
		return "", private.tooOpen(st.Mode(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", reason(err)
	}
	if len(data) > maxSecret {
		return "", errors.New("is larger than 64 KiB")
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}

// reason leaves the operation and path out of a file error: Source has them.
func reason(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}
