package sandbox

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// Confinement is what a process may touch of the file system, and the commands that
// are run for it. Paths are directories, with what is below them, or files.
type Confinement struct {
	read, write []string
	commands    []process.Allowed
}

// Confinement returns what the accounts need. Their commands are run by a helper that
// is not confined: what they need is not known, and a confined process cannot gain
// privileges, as setgid delivery agents must.
func (p Process) Confinement(accounts []*config.Account) (c Confinement) {
	c.write = append(c.write, p.StateDir, os.TempDir())
	c.read = systemPaths()
	if p.Conf != nil {
		c.readable(p.Conf.Path)
		c.secrets(p.Conf.Metrics.Secrets())
		c.command(p.Conf.Result.Command, false)
		for _, h := range p.Conf.Result.Headers {
			c.secrets([]config.Secret{h.Value})
		}
		if p.Conf.MetricsFile != "" {
			c.write = append(c.write, existing(filepath.Dir(p.Conf.MetricsFile)))
		}
	}
	for _, a := range accounts {
		c.account(a)
	}
	c.read, c.write = tidyPaths(c.read), tidyPaths(c.write)
	return c
}

// account adds what one account reads and writes.
func (c *Confinement) account(a *config.Account) {
	for _, t := range target.Of(a) {
		needs := t.Needs()
		c.write = append(c.write, needs.Write...)
		for _, file := range needs.Read {
			c.readable(file)
		}
		c.commands = append(c.commands, needs.Commands...)
		c.secrets(needs.Secrets)
	}
	c.secrets(a.Secrets())
	for _, argv := range [][]string{a.Before, a.After, a.Alert.Command} {
		c.command(argv, false)
	}
	c.command(a.Route.Tunnel, true)
	for _, file := range append(a.Files(), a.Policy.Recipients.MapFile) {
		c.readable(file)
	}
}

// secrets adds what secrets, the zero ones included, are read from or printed by.
func (c *Confinement) secrets(list []config.Secret) {
	for _, s := range list {
		c.readable(s.File())
		c.command(s.Command(), false)
	}
}

func (c *Confinement) command(argv []string, address bool) {
	if len(argv) > 0 {
		c.commands = append(c.commands, process.Allowed{Args: argv, Address: address})
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
	for _, o := range o.commands {
		if !slices.ContainsFunc(c.commands, func(a process.Allowed) bool { return reflect.DeepEqual(a, o) }) {
			return o.Args[0], false
		}
	}
	return "", true
}
