package mpop

import (
	"cmp"
	_ "embed"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

//go:embed options.txt
var options string

// own are the commands that need more than the table says.
func (a *account) own() map[string]func(rcfile.Option) {
	return map[string]func(rcfile.Option){
		"timeout": a.timeout, "connect_timeout": a.timeout, "proxy_host": a.proxy, "source_ip": a.sourceIP, "socket": a.socket,
		"tls_trust_file": a.trustFile, "passwordeval": a.passwordEval, "keep": a.keep, "skipsize": a.skipSize, "killsize": a.killSize,
		"delivery": a.delivery,
	}
}

func (a *account) timeout(o rcfile.Option) {
	if n, ok := rcfile.Int(o.Value); ok {
		rcfile.PutSeconds(a.Account, o, "timeout", n)
	} else {
		a.Drop(o, "mailhaul limits every wait: see timeout")
	}
}

func (a *account) proxy(o rcfile.Option) {
	if o.Value != "" {
		rcfile.PutProxy(a.Account, o, "socks5", o.Value, cmp.Or(a.arg("proxy_port"), "1080"), "", "")
	}
}

func (a *account) sourceIP(o rcfile.Option) {
	if ip, err := netip.ParseAddr(o.Value); err == nil && ip.Zone() == "" {
		a.Put(o, "bind", ip.String())
	} else if o.Value != "" {
		a.Drop(o, "is not an address")
	}
}

func (a *account) socket(o rcfile.Option) {
	if o.Value != "" {
		a.Drop(o, "mailhaul connects by TCP: tunnel: [socat, -, UNIX:PATH] does the same")
		a.Unsure = "the server is a unix socket: see tunnel"
	}
}

func (a *account) trustFile(o rcfile.Option) {
	if o.Value == "" || o.Value == "system" {
		a.Carry(o, "ca_file")
	} else {
		a.PutFile(o, "ca_file", o.Value)
	}
}

func (a *account) passwordEval(o rcfile.Option) {
	if a.given("password") {
		a.Drop(o, "has no effect together with password")
	} else {
		a.PutSecretCommand(o, "password", rcfile.Command(o.Value))
	}
}

func (a *account) skipSize(o rcfile.Option) {
	if n, ok := parseSize(o.Value); ok && n > 0 {
		a.Put(o, "max_size", rcfile.Size(n))
	} else if o.Value != "off" {
		a.Drop(o, "would skip everything")
	}
}

func (a *account) killSize(o rcfile.Option) {
	switch n, ok := parseSize(o.Value); {
	case o.Value == "off":
	case ok && n == 0:
		a.Drop(o, "marks everything as seen: use mailhaul state mark-seen --all once")
	default:
		a.Drop(o, "mailhaul deletes only delivered mail: max_size skips large messages")
	}
}

// keep is on, off or a duration, which is rounded up to whole days.
func (a *account) keep(o rcfile.Option) {
	d, err := config.ParseDuration(o.Value)
	days := int64((d.Hours() + 23.999999) / 24)
	switch ok := err == nil && days >= 1 && days <= 36500; {
	case o.Value == "on", o.Value == "":
		a.Put(o, "keep", config.Word("all"))
	case o.Value == "off":
		a.Put(o, "keep", config.Word("none"))
	case !ok:
		a.Put(o, "keep", config.Word("all"))
		a.Change(o, "was not understood: all mail is kept")
	default:
		if rcfile.KeepDays(a.Account, o, days); float64(days)*24 != d.Hours() {
			a.Change(o, "is rounded up to whole days")
		}
	}
}

func (a *account) delivery(o rcfile.Option) {
	kind, arg, _ := strings.Cut(strings.ReplaceAll(o.Value, "\t", " "), " ")
	switch arg = unquote(strings.TrimSpace(arg)); kind {
	case "maildir", "mbox":
		a.DeliverPath(o, kind, arg)
	case "mda":
		a.DeliverLine(o, arg)
	default:
		a.Lose(o, "has no counterpart")
	}
}

// parseSize reads a C integer with k or m.
func parseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "kKmM")
	factor, ok := map[string]int64{"": 1, "k": 1 << 10, "m": 1 << 20}[strings.ToLower(s[len(digits):])]
	n, err := strconv.ParseInt(digits, 0, 64)
	return n * factor, ok && err == nil && n >= 0 && n < 1<<40 && !strings.ContainsAny(digits, "_oOb")
}
