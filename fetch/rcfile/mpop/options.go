package mpop

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// rows is the table of commands.
func (a *account) rows() rcfile.Rows {
	return rcfile.Rows{
		"host":                    rcfile.Carry("server"),
		"port":                    rcfile.ServicePort,
		"tls tls_starttls":        rcfile.Carry("tls"),
		"timeout connect_timeout": timeout,
		"pipelining":              rcfile.Words("pipelining", "auto on off", ""),
		"proxy_host":              a.proxy,
		"proxy_port":              rcfile.Later,
		"source_ip":               sourceIP,
		"socket":                  socket,
		"tls_trust_file":          a.trustFile,
		"tls_cert_file":           rcfile.File("client_cert", a.home).When(some),
		"tls_key_file":            rcfile.File("client_key", a.home).When(some),
		"tls_host_override":       rcfile.ServerName,
		"tls_fingerprint":         rcfile.Drop("is the hash of a whole certificate, which changes at each renewal; pin needs the hash of its public key: mailhaul check --connect shows it"),
		"tls_certcheck":           rcfile.NoVerify,
		"tls_crl_file tls_min_dh_prime_bits tls_priorities": rcfile.Drop("has no counterpart: see min_version and legacy"),
		"user":         rcfile.Carry("user"),
		"password":     func(_ *rcfile.Account, o rcfile.Option) { a.PutSecret(o, a.secretKey(), o.Value) },
		"passwordeval": a.passwordEval,
		"auth": rcfile.Auth("= on= user=password apop plain login cram-md5 digest-md5 scram-sha-1 scram-sha-1-plus scram-sha-256 " +
			"scram-sha-256-plus xoauth2 oauthbearer external gssapi"),
		"ntlmdomain":      rcfile.Drop("NTLM is not supported"),
		"keep":            keep,
		"skipsize":        skipSize,
		"killsize":        killSize,
		"only_new":        rcfile.Effect(rcfile.FetchAll).When(isOff),
		"delivery":        a.delivery,
		"uidls_file":      rcfile.Carry("import reads the seen-list from there"),
		"received_header": rcfile.Put("headers", config.Pair("received", true)).When(notOff),
		"filter":          rcfile.Drop("mailhaul does not filter messages before it fetches them: let the target do it"),
		"eval":            rcfile.Drop("was not run: write its output here"),
	}
}

func some(value string) bool { return value != "" }

func isOff(value string) bool { return value == "off" }

func notOff(value string) bool { return value != "off" }

func timeout(a *rcfile.Account, o rcfile.Option) {
	if _, ok := rcfile.Int(o.Value); ok {
		rcfile.Seconds("timeout")(a, o)
		return
	}
	a.Drop(o, "mailhaul limits every wait: see timeout")
}

func (a *account) proxy(_ *rcfile.Account, o rcfile.Option) {
	if o.Value != "" {
		rcfile.PutProxy(a.Account, o, "socks5", o.Value, cmp.Or(a.arg("proxy_port"), "1080"), "", "")
	}
}

func sourceIP(a *rcfile.Account, o rcfile.Option) {
	if ip, err := netip.ParseAddr(o.Value); err == nil && ip.Zone() == "" {
		a.Put(o, "bind", ip.String())
	} else if o.Value != "" {
		a.Drop(o, "is not an address")
	}
}

func socket(a *rcfile.Account, o rcfile.Option) {
	if o.Value != "" {
		a.Drop(o, "mailhaul connects by TCP: tunnel: [socat, -, UNIX:PATH] does the same")
		a.Unsure = "the server is a unix socket: see tunnel"
	}
}

func (a *account) trustFile(_ *rcfile.Account, o rcfile.Option) {
	if o.Value == "" || o.Value == "system" {
		a.Carry(o, "ca_file")
	} else {
		a.PutFile(o, "ca_file", o.Value, a.home)
	}
}

// secretKey is the key of the account's secret.
func (a *account) secretKey() string {
	if auth := a.arg("auth"); auth == "xoauth2" || auth == "oauthbearer" {
		return "token"
	}
	return "password"
}

func (a *account) passwordEval(_ *rcfile.Account, o rcfile.Option) {
	if a.given("password") {
		a.Drop(o, "has no effect together with password")
		return
	}
	a.PutSecretCommand(o, a.secretKey(), rcfile.Command(o.Value))
}

func skipSize(a *rcfile.Account, o rcfile.Option) {
	if n, ok := parseSize(o.Value); ok && n > 0 {
		a.Put(o, "max_size", rcfile.Size(n))
	} else if o.Value != "off" {
		a.Drop(o, "would skip everything")
	}
}

func killSize(a *rcfile.Account, o rcfile.Option) {
	switch n, ok := parseSize(o.Value); {
	case o.Value == "off":
	case ok && n == 0:
		a.Drop(o, "marks everything as seen: use mailhaul state mark-seen --all once")
	default:
		a.Drop(o, "mailhaul deletes only delivered mail: max_size skips large messages")
	}
}

// keep is on, off or a duration, which is rounded up to whole days.
func keep(a *rcfile.Account, o rcfile.Option) {
	switch o.Value {
	case "on", "":
		a.Put(o, "keep", config.Word("all"))
		return
	case "off":
		a.Put(o, "keep", config.Word("none"))
		return
	}
	d, err := config.ParseDuration(o.Value)
	days := int64((d.Hours() + 23.999999) / 24)
	if err != nil || days < 1 || days > 36500 {
		a.Put(o, "keep", config.Word("all"))
		a.Change(o, "was not understood: all mail is kept")
		return
	}
	rcfile.KeepDays(a, o, days)
	if float64(days)*24 != d.Hours() {
		a.Change(o, "is rounded up to whole days")
	}
}

func (a *account) delivery(_ *rcfile.Account, o rcfile.Option) {
	kind, arg, _ := strings.Cut(strings.ReplaceAll(o.Value, "\t", " "), " ")
	switch arg = unquote(strings.TrimSpace(arg)); kind {
	case "maildir", "mbox":
		a.DeliverPath(o, kind, arg, a.home, true)
	case "mda":
		a.DeliverLine(o, arg)
	default:
		a.Lose(o, "has no counterpart")
	}
}

// parseSize reads a C integer with k or m.
func parseSize(s string) (int64, bool) {
	factor, digits := int64(1), strings.TrimRight(s, "kKmM")
	switch strings.ToLower(s[len(digits):]) {
	case "k":
		factor = 1 << 10
	case "m":
		factor = 1 << 20
	case "":
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 0, 64)
	return n * factor, err == nil && n >= 0 && n < 1<<40 && !strings.ContainsAny(digits, "_oOb")
}
