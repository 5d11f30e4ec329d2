package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// DefaultPath returns where the configuration is without --config:
// $XDG_CONFIG_HOME/mailhaul/config.yaml if that exists, else
// /etc/mailhaul/config.yaml if that exists, else the first again.
func DefaultPath() string {
	const system = "/etc/mailhaul/config.yaml"
	dir, err := xdg("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return system
	}
	own := filepath.Join(dir, "mailhaul", "config.yaml")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	if _, err := os.Stat(system); err == nil {
		return system
	}
	return own
}

// DefaultState returns the state directory if neither flag nor configuration
// names one: $XDG_STATE_HOME/mailhaul.
func DefaultState() (string, error) {
	dir, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "mailhaul"), nil
}

// xdg returns a base directory. The XDG specification says to ignore a
// relative one.
func xdg(name, fallback string) (string, error) {
	if dir := os.Getenv(name); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory (set HOME, or name the places with --config and --state): %w", err)
	}
	return filepath.Join(home, filepath.FromSlash(fallback)), nil
}

// Path decodes a path: expanded, absolute and clean.
func Path() Kind[string] {
	return parsed("a path", schema{"type": "string"}, (*walker).path)
}

// path expands s and makes it absolute from the directory of the file.
func (w *walker) path(s string) (string, error) {
	if w.untrusted {
		return "", fmt.Errorf("is a path on this machine, and %s is not trusted", w.file)
	}
	if err := checkText(s); err != nil {
		return "", err
	}
	s, err := w.opts.tilde(s)
	if err != nil {
		return "", err
	}
	if s, err = w.opts.variables(s); err != nil {
		return "", err
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(w.dir, s)
	}
	return filepath.Clean(s), nil
}

// tilde expands a leading ~ or ~user.
func (o *Options) tilde(s string) (string, error) {
	if !strings.HasPrefix(s, "~") {
		return s, nil
	}
	name, rest, _ := strings.Cut(s[1:], "/")
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("~%s: no such user", name)
		}
		return filepath.Join(u.HomeDir, rest), nil
	}
	if home, ok := o.lookup("HOME"); ok && home != "" {
		return filepath.Join(home, rest), nil
	}
	u, err := user.Current()
	if err != nil || u.HomeDir == "" {
		return "", errors.New("~: no home directory is known: set HOME, or write the path out")
	}
	return filepath.Join(u.HomeDir, rest), nil
}

// variables expands $VAR and ${VAR}; $$ is a dollar sign. A variable that is
// not set is an error: an empty one would make the path name something else.
func (o *Options) variables(s string) (string, error) {
	var failed error
	if strings.Count(s, "${") != strings.Count(s, "}") {
		return "", errors.New("has a ${ without its }")
	}
	out := os.Expand(s, func(name string) string {
		if name == "$" {
			return "$"
		}
		v, ok := o.lookup(name)
		if (!ok || v == "") && failed == nil {
			failed = fmt.Errorf("the variable $%s is not set (cron and systemd set few): write the path out", name)
		}
		return v
	})
	return out, failed
}

// Readable checks that path is a file that can be opened. Only regular files
// are opened: a FIFO would block.
func Readable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return Brief(err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return Brief(err)
	}
	return f.Close()
}

// Roots reads a PEM file of certificates to trust.
func Roots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", path)
	}
	return pool, nil
}

// Brief takes the operation out of a file error; the path stays.
func Brief(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}
