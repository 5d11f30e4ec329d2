package mpop

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// login handles user, password and method.
func (m *merge) login(o command) bool {
	a := m.a
	key := "password"
	if auth := m.arg("auth"); auth == "xoauth2" || auth == "oauthbearer" {
		key = "token"
	}
	switch o.name {
	case "user":
		a.Carry(o.Option, "user")
	case "password":
		m.r.Password(a, o.Option, key, o.arg)
	case "passwordeval":
		if m.given("password") {
			a.Drop(o.Option, "has no use beside password")
			return true
		}
		a.PasswordLine(o.Option, key, o.arg)
	case "auth":
		m.auth(o)
	default:
		return false
	}
	return true
}

func (m *merge) auth(o command) {
	switch o.arg {
	case "", "on":
		m.a.Carry(o.Option, "auth")
	case "user":
		m.a.Put(o.Option, "auth", config.Word("password"))
	case "apop", "plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus",
		"xoauth2", "oauthbearer", "external", "gssapi":
		m.a.Put(o.Option, "auth", config.Word(o.arg))
	default:
		m.a.Drop(o.Option, "is not supported; auto takes the strongest that the server offers")
	}
}

// mail handles what is fetched, kept and delivered.
func (m *merge) mail(o command) bool {
	a := m.a
	switch o.name {
	case "keep":
		m.keep(o)
	case "skipsize":
		if n, ok := parseSize(o.arg); ok && n > 0 {
			a.Put(o.Option, "max_size", rcfile.Size(n))
		} else if o.arg != "off" {
			a.Drop(o.Option, "would skip everything")
		}
	case "killsize":
		switch n, ok := parseSize(o.arg); {
		case o.arg == "off":
		case ok && n == 0:
			a.Drop(o.Option, "marks everything as seen: mailhaul state mark-seen --all does it once")
		default:
			a.Drop(o.Option, "nothing is deleted that was not delivered: max_size skips large messages")
		}
	case "only_new":
		if o.arg == "off" {
			a.Change(o.Option, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
		}
	case "delivery":
		m.delivery(o)
	case "uidls_file":
		a.Carry(o.Option, "the list of seen messages is read from there")
	case "received_header":
		if o.arg != "off" {
			a.Put(o.Option, "headers", config.Pair("received", true))
		}
	default:
		return false
	}
	return true
}

// keep is on, off, or for how long: whole days here, and not less than asked.
func (m *merge) keep(o command) {
	switch o.arg {
	case "on", "":
		m.a.Put(o.Option, "keep", config.Word("all"))
		return
	case "off":
		m.a.Put(o.Option, "keep", config.Word("none"))
		return
	}
	d, err := config.ParseDuration(o.arg)
	days := int64((d.Hours() + 23.999999) / 24)
	if err != nil || days < 1 || days > 36500 {
		m.a.Put(o.Option, "keep", config.Word("all"))
		m.a.Change(o.Option, "was not understood, so all is kept")
		return
	}
	m.a.Put(o.Option, "keep", config.Pair("days", config.Word(fmt.Sprint(days))))
	if float64(days)*24 != d.Hours() {
		m.a.Change(o.Option, "is rounded up to whole days")
	}
}

func (m *merge) delivery(o command) {
	kind, arg, _ := strings.Cut(strings.ReplaceAll(o.arg, "\t", " "), " ")
	arg = unquote(strings.TrimSpace(arg))
	switch kind {
	case "maildir", "mbox":
		m.a.DeliverPath(o.Option, kind, arg, m.r.Options.Home, true)
	case "mda":
		if strings.Contains(arg, "%F") {
			m.a.Change(o.Option, "%F is $SENDER now, which is empty for a message without a Return-Path")
		}
		argv, err := rcfile.Command(rcfile.FromEnvironment(arg, "%F", "SENDER"))
		if err != nil {
			m.a.Lose(o.Option, err.Error())
			return
		}
		m.a.Deliver(o.Option, "pipe", config.Pair("command", argv))
	default:
		m.a.Lose(o.Option, "has no counterpart")
	}
}

// parseSize reads a C integer with k or m.
func parseSize(s string) (int64, bool) {
	factor := int64(1)
	if s != "" {
		switch s[len(s)-1] | 0x20 {
		case 'k':
			factor = 1 << 10
		case 'm':
			factor = 1 << 20
		}
	}
	if factor > 1 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 0, 64)
	return n * factor, err == nil && n >= 0 && n < 1<<40 && !strings.ContainsAny(s, "_oOb")
}

func why(name string) string {
	switch name {
	case "tls_fingerprint":
		return "is the hash of a whole certificate, which changes at each renewal; pin wants that of its public key: mailhaul check --connect shows it"
	case "tls_certcheck":
		return "certificates are always checked: give ca_file or pin if the server has one of its own"
	case "tls_crl_file", "tls_min_dh_prime_bits", "tls_priorities":
		return "has no counterpart: see min_version and legacy"
	case "filter":
		return "messages are not judged before they are fetched: let the target do it"
	case "ntlmdomain":
		return "NTLM is not supported"
	}
	return "is not known here"
}
