package rcfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxConfig bounds a configuration file, maxState a list of seen messages.
	maxConfig = 4 << 20
	maxState  = 256 << 20
)

// load reads a regular file of at most limit bytes.
func load(name string, limit int64) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, brief(err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, brief(err)
	}
	defer f.Close()
	return limited(f, name, limit)
}

func limited(in io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, brief(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: is larger than %d MiB", name, limit>>20)
	}
	return data, nil
}

// stdin is the path of standard input.
const stdin = "-"

// config reads a configuration file and remembers that it was read.
func (r *Result) config(name string) (string, error) {
	var data []byte
	var err error
	if name == stdin && r.opts.Stdin != nil {
		data, err = limited(r.opts.Stdin, "standard input", maxConfig)
	} else {
		data, err = load(name, maxConfig)
	}
	if err != nil {
		return "", err
	}
	r.Files = append(r.Files, name)
	return string(data), nil
}

// first returns the first path that exists.
func first(paths ...string) (string, error) {
	for _, p := range paths {
		if p == "" {
			continue
		}
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("no configuration found: looked for %s", strings.Join(nonEmpty(paths), ", "))
}

func nonEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// under joins a name to a directory; empty if the directory is.
func under(dir string, names ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}

// xdg returns $XDG_CONFIG_HOME or its default.
func (o Options) xdg() string {
	if d := o.env("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return d
	}
	return under(o.Home, ".config")
}

// tilde expands a leading ~/.
func (o Options) tilde(s string) string {
	if s == "~" || strings.HasPrefix(s, "~/") {
		return strings.TrimSuffix(o.Home, "/") + s[1:]
	}
	return s
}

// absolute makes a path absolute from the directory of a file.
func absolute(s, file string) string {
	if filepath.IsAbs(s) {
		return s
	}
	return filepath.Join(filepath.Dir(file), s)
}

// syntax is a mistake in a file.
func syntax(file string, line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
}

// brief takes the operation out of a file error; the path stays.
func brief(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}
