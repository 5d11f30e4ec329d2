package pipe

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
)

// defaultPath is what commands get if we have no PATH ourselves (cron).
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// BaseEnv is the environment that a command starts from, PATH included: nothing
// but these variables of ours and those named, so that no secret in the rest
// (MAILHAUL_PASSWORD and the like) reaches it.
func BaseEnv(getenv func(string) string, more ...string) []string {
	env := []string{"PATH=" + cmp.Or(getenv("PATH"), defaultPath)}
	for _, name := range append([]string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SystemRoot"}, more...) {
		if v := getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// environ builds a command's environment for one message.
func environ(getenv func(string) string, o *Options, e *deliver.Envelope) []string {
	env := append(BaseEnv(getenv), o.Env...)
	to := o.To
	if e.Recipients != nil {
		to = e.Recipients
	}
	return append(env,
		"SENDER="+printable(e.Sender),
		"RECIPIENT="+printable(strings.Join(to, ",")),
		"MAILHAUL_ACCOUNT="+printable(e.Account),
		"MAILHAUL_UID="+printable(e.UID))
}

// printable drops control characters, NUL among them, from foreign text:
// scripts put such values on terminals and in file names.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
