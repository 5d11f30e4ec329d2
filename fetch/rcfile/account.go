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

// Option is one option as it was written.
type Option struct {
	File string
	Line int
	Text string // secrets as ***
}

// Set adds a key of the account, or replaces its value.
func (a *Account) Set(key string, value any) {
	for i := range a.fields {
		if a.fields[i].Key == key {
			a.fields[i].Value = value
			return
		}
	}
	a.fields = a.fields.And(key, value)
}

func (a *Account) Unset(key string) {
	a.fields = slices.DeleteFunc(a.fields, func(f config.Entry) bool { return f.Key == key })
}

func (a *Account) Has(key string) bool {
	return slices.ContainsFunc(a.fields, func(f config.Entry) bool { return f.Key == key })
}

func (a *Account) Value(key string) any {
	for _, f := range a.fields {
		if f.Key == key {
			return f.Value
		}
	}
	return nil
}

func (a *Account) Drop(o Option, why string) {
	a.Notes = append(a.Notes, Note{Dropped, o.File, o.Line, o.Text, why})
}

func (a *Account) Change(o Option, why string) {
	a.Notes = append(a.Notes, Note{Changed, o.File, o.Line, o.Text, why})
}

func (a *Account) Carry(o Option, key string) {
	a.Notes = append(a.Notes, Note{Carried, o.File, o.Line, o.Text, key})
}

// Put sets a key from an option and says so.
func (a *Account) Put(o Option, key string, value any) {
	a.Set(key, value)
	a.Carry(o, key)
}

// BadText says why s cannot be a line of text in the YAML, or "".
func BadText(s string) string {
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

// Seconds sets a key to a duration of n seconds.
func (a *Account) Seconds(o Option, key string, n int64) {
	if n < 1 || n > 366*86400 {
		a.Drop(o, "is out of range; the default holds")
		return
	}
	a.Put(o, key, Duration(n))
}

// Duration writes seconds with the largest unit that fits.
func Duration(n int64) config.Word {
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

// Size writes bytes with the largest unit that fits.
func Size(n int64) config.Word {
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

// Limit sets one of the keys of limit.
func (a *Account) Limit(o Option, key string, v config.Word) {
	m, _ := a.Value("limit").(config.Map)
	a.Put(o, "limit", m.And(key, v))
}

// YAMLPath turns a path of the other program into one for the YAML: absolute from
// base, with what would expand there escaped. With tilde, ~/ stays.
func YAMLPath(s, base string, tilde bool) (string, error) {
	switch why := BadText(s); {
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
func (r *Result) PutFile(a *Account, o Option, key, s, base string) {
	p, err := YAMLPath(s, base, true)
	if err != nil {
		a.Drop(o, err.Error())
		return
	}
	real := strings.ReplaceAll(p, "$$", "$")
	if real == "~" || strings.HasPrefix(real, "~/") {
		real = filepath.Join(r.Options.Home, real[1:])
	}
	if _, err := Load(real, MaxConfig); err != nil {
		a.Drop(o, "cannot be read here; then set "+key)
		return
	}
	a.Put(o, key, p)
}

// told reports whether a note speaks of the option.
func (a *Account) Noted(o Option) bool {
	return slices.ContainsFunc(a.Notes, func(n Note) bool { return n.File == o.File && n.Line == o.Line && n.Option == o.Text })
}

// Rest is for an option that nothing has spoken of: none is lost in silence.
func (a *Account) Rest(o Option, value string) {
	switch strings.ToLower(value) {
	case "", "off", "no", "false", "none", "0":
		a.Carry(o, "is so anyway")
	default:
		a.Drop(o, "has no use here")
	}
}

// Lose is drop for a target: without it the account must not run.
func (a *Account) Lose(o Option, why string) {
	a.Drop(o, why)
	if a.Unsure == "" {
		a.Unsure = strings.TrimSpace("a target could not be carried over: look at deliver " + o.Text)
	}
}

// Deliver adds a target.
func (a *Account) Deliver(o Option, kind string, value any) {
	t := config.Pair(kind, value)
	if slices.ContainsFunc(a.Targets, func(have config.Map) bool { return reflect.DeepEqual(have, t) }) {
		a.Drop(o, "is the same target again")
		return
	}
	a.Targets = append(a.Targets, t)
	a.Carry(o, "deliver")
}

// DeliverPath adds a Maildir or mbox.
func (a *Account) DeliverPath(o Option, kind, s, base string, tilde bool) {
	p, err := YAMLPath(s, base, tilde)
	if err != nil {
		a.Lose(o, err.Error())
		return
	}
	a.Deliver(o, kind, p)
}

// Password takes a secret that stood in the open.
func (r *Result) Password(a *Account, o Option, key, value string) {
	if strings.ContainsAny(value, "\r\n\x00") || value == "" {
		a.Drop(o, "is empty or has more than one line: no login can send it")
		return
	}
	a.Put(o, key, r.Secret(a, key, value))
}

// Secret registers a secret and returns the mapping that names its file.
func (r *Result) Secret(a *Account, what, value string) config.Map {
	p := filepath.Join(r.Options.SecretDir, a.Name+"."+what)
	r.Secrets = append(slices.DeleteFunc(r.Secrets, func(s SecretFile) bool { return s.Path == p }), SecretFile{p, value})
	return config.Pair("file", strings.ReplaceAll(p, "$", "$$"))
}

// PasswordCommand takes a command that prints a secret. It is never run.
func (a *Account) PasswordCommand(o Option, key string, argv []string) {
	if BadArgv(argv) {
		a.Drop(o, "cannot be written as a command: put it into a script of its own and set "+key+": {command: [/path/to/script]}")
		return
	}
	a.Put(o, key, config.Pair("command", argv))
}

// PasswordLine is passwordCommand for a line that went to a shell.
func (a *Account) PasswordLine(o Option, key, line string) {
	argv, _ := Command(line)
	a.PasswordCommand(o, key, argv)
}

// BadArgv reports arguments that the YAML cannot hold.
func BadArgv(argv []string) bool {
	if len(argv) == 0 || argv[0] == "" || strings.HasPrefix(argv[0], "~") && !strings.HasPrefix(argv[0], "~/") {
		return true
	}
	return slices.ContainsFunc(argv, func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) })
}

// Command returns the argv for a command line that went to a shell.
func Command(line string) ([]string, error) {
	argv, plain := splitCommand(line)
	if !plain {
		argv = []string{"sh", "-c", line}
	}
	if BadArgv(argv) || strings.TrimSpace(line) == "" {
		return nil, fmt.Errorf("cannot be written as a command")
	}
	return argv, nil
}

// ValidHost mirrors what config accepts as a host.
func ValidHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@:[]()<>,;"'?#%`, r) }
	return s != "" && len(s) < 254 && utf8.ValidString(s) && !strings.ContainsFunc(s, bad)
}

// HostPort writes host, or host:port where port is not the usual one.
func HostPort(host string, port, usual int) string {
	if port == 0 || port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func UsualPort(t pop3.Security) int {
	if t == pop3.ImplicitTLS {
		return 995
	}
	return 110
}

// ServicePort reads a port or the name of a POP3 service; 0 if it is neither.
func ServicePort(s string) int {
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

func Atoi(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func ValidField(s string) bool {
	s = strings.TrimSuffix(s, ":")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}

func GoodAddress(s string) bool {
	return BadText(s) == "" && len(s) <= 320 && !strings.ContainsAny(s, " <>")
}
