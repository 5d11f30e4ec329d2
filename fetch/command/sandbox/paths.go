package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// Confinement is what a process may touch of the file system. Paths are
// directories, with what is below them, or files.
type Confinement struct{ read, write []string }

// Confinement returns what the accounts need; reason is not empty if they
// cannot be confined: a command that they run inherits the confinement, and
// what it needs is not known. It could not gain privileges either, as setgid
// delivery agents must.
func (p Process) Confinement(accounts []*config.Account) (c Confinement, reason string) {
	c.write = append(c.write, p.StateDir, os.TempDir())
	c.read = systemPaths()
	if p.Conf != nil {
		c.readable(p.Conf.Path)
		for _, s := range p.Conf.Metrics.Secrets() {
			c.readable(s.File())
		}
		if p.Conf.MetricsFile != "" {
			c.write = append(c.write, existing(filepath.Dir(p.Conf.MetricsFile)))
		}
	}
	for _, a := range accounts {
		if cmd := commandOf(a); cmd != "" {
			return Confinement{}, fmt.Sprintf("%s runs %s", a.Name, cmd)
		}
		c.account(a)
	}
	c.read, c.write = tidyPaths(c.read), tidyPaths(c.write)
	return c, ""
}

// commandOf names a program that the account runs.
func commandOf(a *config.Account) string {
	for _, argv := range [][]string{a.Route.Tunnel, a.Before, a.After, a.Alert.Command} {
		if len(argv) > 0 {
			return argv[0]
		}
	}
	for _, t := range target.Of(a) {
		if program := t.Needs().Program; program != "" {
			return program
		}
	}
	for _, s := range secretsOf(a) {
		if program := s.Program(); program != "" {
			return program
		}
	}
	return ""
}

// secretsOf are all secrets of an account, the zero ones included.
func secretsOf(a *config.Account) []config.Secret {
	list := a.Secrets()
	for _, t := range target.Of(a) {
		list = append(list, t.Needs().Secrets...)
	}
	return list
}

// account adds what one account reads and writes.
func (c *Confinement) account(a *config.Account) {
	for _, t := range target.Of(a) {
		needs := t.Needs()
		c.write = append(c.write, needs.Write...)
		for _, file := range needs.Read {
			c.readable(file)
		}
	}
	for _, s := range secretsOf(a) {
		c.readable(s.File())
	}
	for _, file := range append(a.Files(), a.Policy.Recipients.MapFile) {
		c.readable(file)
	}
}

// readable adds a file, with its directory: files are replaced by new ones,
// which a rule for the old one does not cover. Not so in the home directory
// itself, which holds too much else.
func (c *Confinement) readable(file string) {
	if file == "" {
		return
	}
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	home, _ := os.UserHomeDir()
	if dir := filepath.Dir(file); dir != "/" && dir != home {
		file = dir
	}
	c.read = append(c.read, file)
}

// existing is the path, or of the directories above it the first that exists.
func existing(path string) string {
	for path != filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

// systemPaths are what names, certificates, times and the Go runtime are read
// from.
func systemPaths() []string {
	if runtime.GOOS != "linux" {
		return nil
	}
	krb := strings.TrimPrefix(os.Getenv("KRB5CCNAME"), "FILE:")
	return []string{
		"/etc", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/pki", "/var/lib/ca-certificates",
		"/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman",
		"/proc/self", "/proc/sys", "/sys/fs/cgroup", "/dev/null", "/dev/urandom", "/dev/random", "/dev/tty",
		os.Getenv("SSL_CERT_FILE"), os.Getenv("SSL_CERT_DIR"), os.Getenv("KRB5_CONFIG"), os.Getenv("KRB5_KTNAME"), krb,
		os.Getenv("GOCOVERDIR"),
	}
}

// tidyPaths sorts paths and leaves out what is empty, double or below another.
func tidyPaths(paths []string) (out []string) {
	for i, p := range paths {
		if p != "" {
			paths[i] = filepath.Clean(p)
		}
	}
	slices.Sort(paths)
	for _, p := range paths {
		if p != "" && !slices.ContainsFunc(out, func(o string) bool { return under(p, o) }) {
			out = append(out, p)
		}
	}
	return out
}

// under reports whether p is dir or below it.
func under(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// Covers reports whether all that another confinement allows is allowed by c;
// if not, it returns one path that is missing.
func (c Confinement) Covers(o Confinement) (missing string, ok bool) {
	for _, p := range o.write {
		if !slices.ContainsFunc(c.write, func(dir string) bool { return under(p, dir) }) {
			return p, false
		}
	}
	for _, p := range o.read {
		if !slices.ContainsFunc(slices.Concat(c.read, c.write), func(dir string) bool { return under(p, dir) }) {
			return p, false
		}
	}
	return "", true
}
