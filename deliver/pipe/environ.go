package pipe

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
)

// defaultPath is what commands get if we have no PATH ourselves (cron).
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// environ builds a command's environment: it starts from nothing, so that no
// secret in ours (MAILHAUL_PASSWORD and the like) reaches it.
func environ(getenv func(string) string, o *Options, e *deliver.Envelope) []string {
	env := []string{"PATH=" + cmp.Or(getenv("PATH"), defaultPath)}
	for _, name := range []string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SystemRoot"} {
		if v := getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	env = append(env, o.Env...)
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
