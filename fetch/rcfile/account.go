package rcfile

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// option is one option as it was written.
type option struct {
	file string
	line int
	text string // secrets as ***
}

// set adds a key of the account, or replaces its value.
func (a *Account) set(key string, value any) {
	for i := range a.fields {
		if a.fields[i].Key == key {
			a.fields[i].Value = value
			return
		}
	}
	a.fields = a.fields.And(key, value)
}

func (a *Account) unset(key string) {
	a.fields = slices.DeleteFunc(a.fields, func(f config.Entry) bool { return f.Key == key })
}

func (a *Account) has(key string) bool {
	return slices.ContainsFunc(a.fields, func(f config.Entry) bool { return f.Key == key })
}

func (a *Account) value(key string) any {
	for _, f := range a.fields {
		if f.Key == key {
			return f.Value
		}
	}
	return nil
}

func (a *Account) drop(o option, why string) {
	a.Notes = append(a.Notes, Note{Dropped, o.file, o.line, o.text, why})
}

func (a *Account) change(o option, why string) {
	a.Notes = append(a.Notes, Note{Changed, o.file, o.line, o.text, why})
}

func (a *Account) carry(o option, key string) {
	a.Notes = append(a.Notes, Note{Carried, o.file, o.line, o.text, key})
}

// put sets a key from an option and says so.
func (a *Account) put(o option, key string, value any) {
	a.set(key, value)
	a.carry(o, key)
}

// badText says why s cannot be a line of text in the YAML, or "".
func badText(s string) string {
	switch {
	case s == "":
		return "is empty"
	case !utf8.ValidString(s):
		return "is not UTF-8, which YAML wants"
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "contains a control character"
	}
	return ""
}

// seconds sets a key to a duration of n seconds.
func (a *Account) seconds(o option, key string, n int64) {
	if n < 1 || n > 366*86400 {
		a.drop(o, "is out of range; the default holds")
		return
	}
	a.put(o, key, duration(n))
}

// duration writes seconds with the largest unit that fits.
func duration(n int64) config.Word {
	for _, u := range []struct {
		n    int64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if n%u.n == 0 {
			return config.Word(strconv.FormatInt(n/u.n, 10) + u.name)
		}
	}
	return config.Word(strconv.FormatInt(n, 10) + "s")
}

// size writes bytes with the largest unit that fits.
func size(n int64) config.Word {
	for _, u := range []struct {
		n    int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.n && n%u.n == 0 {
			return config.Word(strconv.FormatInt(n/u.n, 10) + u.name)
		}
	}
	return config.Word(strconv.FormatInt(n, 10))
}

// limit sets one of the keys of limit.
func (a *Account) limit(o option, key string, v config.Word) {
	m, _ := a.value("limit").(config.Map)
	a.put(o, "limit", m.And(key, v))
}

// yamlPath turns a path of the other program into one for the YAML: absolute from
// base, with what would expand there escaped. With tilde, ~/ stays.
func yamlPath(s, base string, tilde bool) (string, error) {
	switch why := badText(s); {
	case why != "":
		return "", fmt.Errorf("the path %s", why)
	case strings.ContainsAny(s, "}") || strings.Contains(s, "${"):
		return "", fmt.Errorf("the path contains ${ or }")
	}
	if tilde && (s == "~" || strings.HasPrefix(s, "~/")) {
		return strings.ReplaceAll(s, "$", "$$"), nil
	}
	if tilde && strings.HasPrefix(s, "~") {
		return "", fmt.Errorf("write the home directory of %s out", strings.SplitN(s, "/", 2)[0])
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(base, s)
	}
	if !filepath.IsAbs(s) {
		return "", fmt.Errorf("the path is not absolute")
	}
	return strings.ReplaceAll(s, "$", "$$"), nil
}

// file sets a key to an existing file's path: config refuses others.
func (r *Result) file(a *Account, o option, key, s, base string) {
	p, err := yamlPath(s, base, true)
	if err != nil {
		a.drop(o, err.Error())
		return
	}
	real := strings.ReplaceAll(p, "$$", "$")
	if real == "~" || strings.HasPrefix(real, "~/") {
		real = filepath.Join(r.opts.Home, real[1:])
	}
	if _, err := load(real, maxConfig); err != nil {
		a.drop(o, "cannot be read here; then set "+key)
		return
	}
	a.put(o, key, p)
}

// told reports whether a note speaks of the option.
func (a *Account) told(o option) bool {
	return slices.ContainsFunc(a.Notes, func(n Note) bool { return n.File == o.file && n.Line == o.line && n.Option == o.text })
}

// rest is for an option that nothing has spoken of: none is lost in silence.
func (a *Account) rest(o option, value string) {
	switch strings.ToLower(value) {
	case "", "off", "no", "false", "none", "0":
		a.carry(o, "is so anyway")
	default:
		a.drop(o, "has no use here")
	}
}

// lose is drop for a target: without it the account must not run.
func (a *Account) lose(o option, why string) {
	a.drop(o, why)
	if a.unsure == "" {
		a.unsure = strings.TrimSpace("a target could not be carried over: look at deliver " + o.text)
	}
}

// deliver adds a target.
func (a *Account) deliver(o option, kind string, value any) {
	t := config.Pair(kind, value)
	if slices.ContainsFunc(a.targets, func(have config.Map) bool { return reflect.DeepEqual(have, t) }) {
		a.drop(o, "is the same target again")
		return
	}
	a.targets = append(a.targets, t)
	a.carry(o, "deliver")
}

// deliverPath adds a Maildir or mbox.
func (a *Account) deliverPath(o option, kind, s, base string, tilde bool) {
	p, err := yamlPath(s, base, tilde)
	if err != nil {
		a.lose(o, err.Error())
		return
	}
	a.deliver(o, kind, p)
}

// password takes a secret that stood in the open.
func (r *Result) password(a *Account, o option, key, value string) {
	if strings.ContainsAny(value, "\r\n\x00") || value == "" {
		a.drop(o, "is empty or has more than one line: no login can send it")
		return
	}
	a.put(o, key, r.secret(a, key, value))
}

// secret registers a secret and returns the mapping that names its file.
func (r *Result) secret(a *Account, what, value string) config.Map {
	p := filepath.Join(r.opts.SecretDir, a.Name+"."+what)
	r.Secrets = append(slices.DeleteFunc(r.Secrets, func(s SecretFile) bool { return s.Path == p }), SecretFile{p, value})
	return config.Pair("file", strings.ReplaceAll(p, "$", "$$"))
}

// passwordCommand takes a command that prints a secret. It is never run.
func (a *Account) passwordCommand(o option, key string, argv []string) {
	if badArgv(argv) {
		a.drop(o, "cannot be written as a command: put it into a script of its own and set "+key+": {command: [/path/to/script]}")
		return
	}
	a.put(o, key, config.Pair("command", argv))
}

// passwordLine is passwordCommand for a line that went to a shell.
func (a *Account) passwordLine(o option, key, line string) {
	argv, _ := command(line)
	a.passwordCommand(o, key, argv)
}

// badArgv reports arguments that the YAML cannot hold.
func badArgv(argv []string) bool {
	if len(argv) == 0 || argv[0] == "" || strings.HasPrefix(argv[0], "~") && !strings.HasPrefix(argv[0], "~/") {
		return true
	}
	return slices.ContainsFunc(argv, func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) })
}

// command returns the argv for a command line that went to a shell.
func command(line string) ([]string, error) {
	argv, plain := splitCommand(line)
	if !plain {
		argv = []string{"sh", "-c", line}
	}
	if badArgv(argv) || strings.TrimSpace(line) == "" {
		return nil, fmt.Errorf("cannot be written as a command")
	}
	return argv, nil
}

// validHost mirrors what config accepts as a host.
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@:[]()<>,;"'?#%`, r) }
	return s != "" && len(s) < 254 && utf8.ValidString(s) && !strings.ContainsFunc(s, bad)
}

// hostPort writes host, or host:port where port is not the usual one.
func hostPort(host string, port, usual int) string {
	if port == 0 || port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func usualPort(t pop3.Security) int {
	if t == pop3.ImplicitTLS {
		return 995
	}
	return 110
}

// servicePort reads a port or the name of a POP3 service; 0 if it is neither.
func servicePort(s string) int {
	switch strings.ToLower(s) {
	case "pop3", "pop-3":
		return 110
	case "pop3s":
		return 995
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return 0
	}
	return n
}

func atoi(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func validField(s string) bool {
	s = strings.TrimSuffix(s, ":")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}

func goodAddress(s string) bool {
	return badText(s) == "" && len(s) <= 320 && !strings.ContainsAny(s, " <>")
}
