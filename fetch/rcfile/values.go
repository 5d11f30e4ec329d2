package rcfile

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

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

// Int reads a decimal number.
func Int(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Duration writes seconds with the largest unit that fits.
func Duration(n int64) config.Word {
	return withUnit(n, []int64{86400, 3600, 60, 1}, []string{"d", "h", "m", "s"})
}

// Size writes bytes with the largest unit that fits.
func Size(n int64) config.Word {
	return withUnit(n, []int64{1 << 30, 1 << 20, 1 << 10, 1}, []string{"GiB", "MiB", "KiB", ""})
}

func withUnit(n int64, units []int64, names []string) config.Word {
	i := slices.IndexFunc(units, func(u int64) bool { return n%u == 0 })
	return config.Word(strconv.FormatInt(n/units[i], 10) + names[i])
}

// yamlPath turns a path of the other program into one for the YAML: absolute from
// base, with what would expand there escaped. ~/ stays.
func yamlPath(s, base string) (string, error) {
	switch why := BadText(s); {
	case why != "":
		return "", fmt.Errorf("the path %s", why)
	case strings.ContainsAny(s, "}") || strings.Contains(s, "${"):
		return "", fmt.Errorf("the path contains ${ or }")
	}
	if strings.HasPrefix(s, "~") {
		if user, _, _ := strings.Cut(s, "/"); user != "~" {
			return "", fmt.Errorf("write the home directory of %s out", user)
		}
		return strings.ReplaceAll(s, "$", "$$"), nil
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(base, s)
	}
	if !filepath.IsAbs(s) {
		return "", fmt.Errorf("the path is not absolute")
	}
	return strings.ReplaceAll(s, "$", "$$"), nil
}

// GoodAddress reports whether s can be a recipient or sender.
func GoodAddress(s string) bool {
	return BadText(s) == "" && len(s) <= 320 && !strings.ContainsAny(s, " <>")
}

// GoodField reports whether s can be the name of a header field.
func GoodField(s string) bool {
	s = strings.TrimSuffix(s, ":")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' })
}

// hostPort writes host, or host:port where port is not the usual one.
func hostPort(host string, port, usual int) string {
	if port == 0 || port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// UsualPort is the port of POP3.
func UsualPort(t pop3.Security) int {
	if t == pop3.ImplicitTLS {
		return 995
	}
	return 110
}

// Port reads a port; 0 if it is none.
func Port(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return 0
	}
	return n
}
