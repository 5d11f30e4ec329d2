package command

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// confinement is what a process may touch of the file system. Paths are
// directories, with what is below them, or files.
type confinement struct{ read, write []string }

// confinement returns what the accounts need; reason is not empty if they
// cannot be confined: a command that they run inherits the confinement, and
// what it needs is not known. It could not gain privileges either, as setgid
// delivery agents must.
func (e *env) confinement(accounts []*config.Account) (c confinement, reason string) {
	c.write = append(c.write, e.builder.StateDir, os.TempDir())
	c.read = systemPaths()
	if e.conf != nil {
		c.readable(e.conf.Path)
		if e.conf.MetricsFile != "" {
			c.write = append(c.write, existing(filepath.Dir(e.conf.MetricsFile)))
		}
	}
	for _, a := range accounts {
		if cmd := commandOf(a); cmd != "" {
			return confinement{}, fmt.Sprintf("%s runs %s", a.Name, cmd)
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
	for _, t := range a.Deliver {
		if t.Pipe != nil {
			return t.Pipe.Command[0]
		}
	}
	for _, s := range secretsOf(a) {
		if cmd, ok := strings.CutPrefix(s.Source(), config.SecretCommand.String()+" "); ok && s.Kind() == config.SecretCommand {
			return cmd
		}
	}
	return ""
}

// secretsOf are all secrets of an account, the zero ones included.
func secretsOf(a *config.Account) []config.Secret {
	list := []config.Secret{a.Password, a.Token}
	if a.OAuth != nil {
		list = append(list, a.OAuth.ClientSecret)
	}
	if a.Route.Proxy != nil {
		list = append(list, a.Route.Proxy.Password)
	}
	for _, t := range a.Deliver {
		if t.Relay != nil {
			list = append(list, t.Relay.Password)
		}
	}
	return list
}

// account adds what one account reads and writes.
func (c *confinement) account(a *config.Account) {
	for _, t := range a.Deliver {
		switch {
		case t.Maildir != nil:
			c.write = append(c.write, t.Maildir.Path)
		case t.Mbox != nil: // its lock and its index stand beside it
			c.write = append(c.write, filepath.Dir(t.Mbox.Path))
			if real, err := filepath.EvalSymlinks(t.Mbox.Path); err == nil {
				c.write = append(c.write, filepath.Dir(real))
			}
		case t.Relay != nil:
			c.readable(t.Relay.CAFile)
		}
	}
	for _, s := range secretsOf(a) {
		switch s.Kind() {
		case config.SecretFile:
			c.readable(strings.TrimPrefix(s.Source(), config.SecretFile.String()+" "))
		case config.SecretNetrc:
			home, _ := os.UserHomeDir()
			c.readable(cmp.Or(os.Getenv("NETRC"), filepath.Join(home, ".netrc")))
		case config.SecretCredential:
			c.read = append(c.read, os.Getenv("CREDENTIALS_DIRECTORY"))
		}
	}
	for _, file := range []string{a.TLS.CAFile, a.TLS.ClientCert, a.TLS.ClientKey, a.Kerberos.Config, a.Kerberos.Keytab, a.Kerberos.CCache} {
		c.readable(file)
	}
	if o := a.OAuth; o != nil {
		c.readable(o.Certificate)
		c.readable(o.Key)
		c.readable(o.ServiceAccount)
	}
}

// readable adds a file, with its directory: files are replaced by new ones,
// which a rule for the old one does not cover. Not so in the home directory
// itself, which holds too much else.
func (c *confinement) readable(file string) {
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

// covers reports whether all that another confinement allows is allowed by c;
// if not, it returns one path that is missing.
func (c confinement) covers(o confinement) (missing string, ok bool) {
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
