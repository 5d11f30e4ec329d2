package rcfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

const (
	// MaxConfig bounds a configuration file, maxState a list of seen messages.
	MaxConfig = 4 << 20
	maxState  = 256 << 20
)

// Load reads a regular file of at most limit bytes.
func Load(name string, limit int64) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, config.Brief(err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, config.Brief(err)
	}
	defer f.Close()
	return limited(f, name, limit)
}

func limited(in io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, config.Brief(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: is larger than %d MiB", name, limit>>20)
	}
	return data, nil
}

// Stdin is the path of standard input.
const Stdin = "-"

// config reads a configuration file and remembers that it was read.
func (r *Result) ReadConfig(name string) (string, error) {
	var data []byte
	var err error
	if name == Stdin && r.Options.Stdin != nil {
		data, err = limited(r.Options.Stdin, "standard input", MaxConfig)
	} else {
		data, err = Load(name, MaxConfig)
	}
	if err != nil {
		return "", err
	}
	r.Files = append(r.Files, name)
	return string(data), nil
}

// ErrNotFound means that a program has no configuration where it looks for one.
var ErrNotFound = errors.New("no configuration found")

// First returns the first path that exists; empty ones are passed over.
func First(paths ...string) (string, error) {
	paths = NonEmpty(paths)
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: looked for %s", ErrNotFound, strings.Join(paths, ", "))
}

// NonEmpty returns the strings that are not empty.
func NonEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// Under joins names to a directory; it returns an empty string for an empty one.
func Under(dir string, names ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}

// xdg returns $XDG_CONFIG_HOME or its default.
func (o Options) ConfigHome() string {
	if d := o.Env("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return d
	}
	return Under(o.Home, ".config")
}

// Tilde expands a leading ~/.
func (o Options) Tilde(s string) string {
	if s == "~" || strings.HasPrefix(s, "~/") {
		return strings.TrimSuffix(o.Home, "/") + s[1:]
	}
	return s
}

// Absolute makes a path absolute from the directory of a file.
func Absolute(s, file string) string {
	if filepath.IsAbs(s) {
		return s
	}
	return filepath.Join(filepath.Dir(file), s)
}

// Syntax is a mistake in a file.
func Syntax(file string, line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
}
