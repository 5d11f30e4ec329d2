package process

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// Allowed is a command that the helper may run for this process.
type Allowed struct {
	Args []string
	// Env are variables that it may be given, as NAME=VALUE.
	Env []string
	// Address means that %h and %p in Args stand for a host and a port.
	Address bool
}

// An address has no word that a command could take for an option, or a shell for another
// command.
const host = `[0-9A-Za-z:.\[_][0-9A-Za-z:.%\]_-]*`

var (
	address   = strings.NewReplacer("%h", host, "%p", "[0-9]+", "%%", "%")
	plainHost = regexp.MustCompile("^" + host + "$")
)

// PlainHost reports whether %h may stand for a host, which may be from elsewhere.
func PlainHost(s string) bool { return plainHost.MatchString(s) }

func (a *Allowed) permits(args []string) bool {
	if !a.Address {
		return slices.Equal(a.Args, args)
	}
	return slices.EqualFunc(a.Args, args, func(pattern, arg string) bool {
		return regexp.MustCompile("^(?s:" + address.Replace(regexp.QuoteMeta(pattern)) + ")$").MatchString(arg)
	})
}

// environment keeps of env what does not change how a program is loaded or what it
// runs: the helper's own variables, those of the configuration, and ours about a message.
func (a *Allowed) environment(env []string) []string {
	own := os.Environ()
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		ours := name == "SENDER" || name == "RECIPIENT" || strings.HasPrefix(name, "MAILHAUL_")
		return !ours && !slices.Contains(own, v) && !slices.Contains(a.Env, v)
	})
}
