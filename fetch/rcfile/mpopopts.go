package rcfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// login handles user, password and method.
func (m *mpopMerge) login(o mpopOption) bool {
	a := m.a
	key := "password"
	if auth := m.arg("auth"); auth == "xoauth2" || auth == "oauthbearer" {
		key = "token"
	}
	switch o.name {
	case "user":
		a.carry(o.option, "user")
	case "password":
		m.r.password(a, o.option, key, o.arg)
	case "passwordeval":
		if m.given("password") {
			a.drop(o.option, "has no use beside password")
			return true
		}
		a.passwordLine(o.option, key, o.arg)
	case "auth":
		m.auth(o)
	default:
		return false
	}
	return true
}

func (m *mpopMerge) auth(o mpopOption) {
	switch o.arg {
	case "", "on":
		m.a.carry(o.option, "auth")
	case "user":
		m.a.put(o.option, "auth", config.Word("password"))
	case "apop", "plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus",
		"xoauth2", "oauthbearer", "external", "gssapi":
		m.a.put(o.option, "auth", config.Word(o.arg))
	default:
		m.a.drop(o.option, "is not supported; auto takes the strongest that the server offers")
	}
}

// mail handles what is fetched, kept and delivered.
func (m *mpopMerge) mail(o mpopOption) bool {
	a := m.a
	switch o.name {
	case "keep":
		m.keep(o)
	case "skipsize":
		if n, ok := mpopSize(o.arg); ok && n > 0 {
			a.put(o.option, "max_size", size(n))
		} else if o.arg != "off" {
			a.drop(o.option, "would skip everything")
		}
	case "killsize":
		switch n, ok := mpopSize(o.arg); {
		case o.arg == "off":
		case ok && n == 0:
			a.drop(o.option, "marks everything as seen: mailhaul state mark-seen --all does it once")
		default:
			a.drop(o.option, "nothing is deleted that was not delivered: max_size skips large messages")
		}
	case "only_new":
		if o.arg == "off" {
			a.change(o.option, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
		}
	case "delivery":
		m.delivery(o)
	case "uidls_file":
		a.carry(o.option, "the list of seen messages is read from there")
	case "received_header":
		if o.arg != "off" {
			a.put(o.option, "headers", config.Pair("received", true))
		}
	default:
		return false
	}
	return true
}

// keep is on, off, or for how long: whole days here, and not less than asked.
func (m *mpopMerge) keep(o mpopOption) {
	switch o.arg {
	case "on", "":
		m.a.put(o.option, "keep", config.Word("all"))
		return
	case "off":
		m.a.put(o.option, "keep", config.Word("none"))
		return
	}
	d, err := config.ParseDuration(o.arg)
	days := int64((d.Hours() + 23.999999) / 24)
	if err != nil || days < 1 || days > 36500 {
		m.a.put(o.option, "keep", config.Word("all"))
		m.a.change(o.option, "was not understood, so all is kept")
		return
	}
	m.a.put(o.option, "keep", config.Pair("days", config.Word(fmt.Sprint(days))))
	if float64(days)*24 != d.Hours() {
		m.a.change(o.option, "is rounded up to whole days")
	}
}

func (m *mpopMerge) delivery(o mpopOption) {
	kind, arg, _ := strings.Cut(strings.ReplaceAll(o.arg, "\t", " "), " ")
	arg = unquote(strings.TrimSpace(arg))
	switch kind {
	case "maildir", "mbox":
		m.a.deliverPath(o.option, kind, arg, m.r.opts.Home, true)
	case "mda":
		if strings.Contains(arg, "%F") {
			m.a.change(o.option, "%F is $SENDER now, which is empty for a message without a Return-Path")
		}
		argv, err := command(fromEnvironment(arg, "%F", "SENDER"))
		if err != nil {
			m.a.lose(o.option, err.Error())
			return
		}
		m.a.deliver(o.option, "pipe", config.Pair("command", argv))
	default:
		m.a.lose(o.option, "has no counterpart")
	}
}

// mpopSize reads a C integer with k or m.
func mpopSize(s string) (int64, bool) {
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

func mpopWhy(name string) string {
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
