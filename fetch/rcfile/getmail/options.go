package getmail

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// retriever handles the connection and the login.
func (g *rcFile) retriever(s *rcfile.Section, multi bool) {
	g.Security = pop3.Plain
	if g.ssl {
		g.Security = pop3.ImplicitTLS
	}
	if multi {
		g.envelope(s.Get("envelope_recipient"))
	}
	rows := g.retrieverRows(s, multi)
	for _, o := range s.Options {
		if !rows.Apply(g.Account, o) {
			g.Drop(o, "is an unknown option")
		}
	}
	if o := s.Get("ca_certs"); g.ssl && o.Name == "" {
		g.Change(rcfile.Option{File: g.file, Line: s.Line}, "getmail does not check certificates without ca_certs; mailhaul always does")
	} else if g.ssl {
		g.PutFile(o, "ca_file", g.expand(o.Value), filepath.Dir(g.file))
	}
	name := oldmailName(g.Host, cmp.Or(g.Port, rcfile.UsualPort(g.Security)), g.User)
	g.SeenFile = oldmailFile(g.options, g.file, name)
}

func (g *rcFile) retrieverRows(s *rcfile.Section, multi bool) rcfile.Rows {
	key := "password"
	if pyBool(s.Get("use_xoauth2").Value) {
		key = "token"
	}
	file := func(key string) rcfile.Effect {
		return func(a *rcfile.Account, o rcfile.Option) { a.PutFile(o, key, g.expand(o.Value), filepath.Dir(g.file)) }
	}
	return rcfile.Rows{
		"type":                    retrieverType,
		"server":                  rcfile.Text(&g.Host, "server"),
		"port":                    rcfile.ServicePort,
		"timeout":                 rcfile.Seconds("timeout"),
		"envelope_recipient":      unless(multi, "is for multidrop retrievers"),
		"ca_certs":                unless(g.ssl, "is for retrievers with SSL"),
		"certfile":                file("client_cert"),
		"keyfile":                 file("client_key"),
		"ssl_cert_hostname":       rcfile.ServerName,
		"ssl_fingerprints":        rcfile.Drop("are hashes of whole certificates, which change at each renewal; pin needs the hash of the public key: mailhaul check --connect shows it"),
		"ssl_version ssl_ciphers": rcfile.Drop("see min_version and legacy"),
		"username":                rcfile.Text(&g.User, "user"),
		"password":                func(a *rcfile.Account, o rcfile.Option) { a.PutSecret(o, key, o.Value) },
		"password_command":        func(_ *rcfile.Account, o rcfile.Option) { g.passwordCommand(o, key, s.Get("password").Name != "") },
		"use_apop":                rcfile.Put("auth", config.Word("apop")).When(pyBool),
		"use_xoauth2":             rcfile.Put("auth", config.Word("xoauth2")).When(pyBool),
		"delete_dup_msgids":       rcfile.Drop("messages with the same UID are each delivered"),
		"record_mailbox mailboxes use_peek move_on_delete use_kerberos imap_search imap_on_delete": rcfile.Drop("is for IMAP"),
	}
}

// unless drops an option that has no use with this retriever.
func unless(used bool, why string) rcfile.Effect {
	if used {
		return rcfile.Later
	}
	return rcfile.Drop(why)
}

func retrieverType(a *rcfile.Account, o rcfile.Option) {
	a.Carry(o, "tls")
	if strings.HasPrefix(o.Value, "Broken") {
		a.Change(o, "without UIDL, mailhaul identifies messages by their headers")
	}
}

func (g *rcFile) passwordCommand(o rcfile.Option, key string, beside bool) {
	switch argv, ok := parseTuple(o.Value); {
	case beside:
		g.Drop(o, "has no effect together with password")
	case !ok:
		g.Drop(o, "is not a tuple of strings")
	case len(argv) > 0:
		g.PutSecretCommand(o, key, g.words(argv))
	}
}

// envelope reads envelope_recipient, FIELD:N.
func (g *rcFile) envelope(o rcfile.Option) {
	header, nth, _ := strings.Cut(o.Value, ":")
	n, err := strconv.Atoi(strings.TrimSpace(nth))
	if header = strings.TrimSpace(header); err != nil || n < 1 || n > 1000 || !rcfile.GoodField(header) {
		g.Drop(o, "wants FIELD:NUMBER, from 1")
		g.Unsure = "name the field that holds the recipients under to: header"
		header, n = "Delivered-To", 1
	} else {
		g.Carry(o, "to")
	}
	to := config.Pair("header", header)
	if n > 1 {
		to = to.And("occurrence", n)
	}
	g.Set("to", to)
}

// general handles what is fetched and kept; getmail keeps all by default.
func (g *rcFile) general(s *rcfile.Section) {
	del, after, all := s.Get("delete"), s.Get("delete_after"), s.Get("read_all")
	days, _ := rcfile.Int(after.Value)
	switch {
	case pyBool(del.Value):
		g.Put(del, "keep", config.Word("none"))
	case days > 0 && days <= 36500:
		rcfile.KeepDays(g.Account, after, days)
	default:
		g.Set("keep", config.Word("all"))
	}
	switch {
	case all.Name == "":
		g.Change(g.Start, "getmail fetches all mail again on each run unless read_all = false; mailhaul fetches each message once")
	case pyBool(all.Value):
		rcfile.FetchAll(g.Account, all)
	default:
		g.Carry(all, "each message is fetched once")
	}
	if s == nil {
		return
	}
	for _, o := range s.Options {
		if !generalRows().Apply(g.Account, o) {
			g.Drop(o, "is an unknown option")
		}
	}
}

func generalRows() rcfile.Rows {
	return rcfile.Rows{
		"read_all delete delete_after": rcfile.Later,
		"max_message_size":             positive(func(a *rcfile.Account, o rcfile.Option, n int64) { a.Put(o, "max_size", rcfile.Size(n)) }),
		"max_messages_per_session": positive(func(a *rcfile.Account, o rcfile.Option, n int64) {
			if n <= 100_000_000 {
				putLimit(a, o, "messages", int(n))
			}
		}),
		"max_bytes_per_session": positive(func(a *rcfile.Account, o rcfile.Option, n int64) { putLimit(a, o, "bytes", rcfile.Size(n)) }),
		"delete_bigger_than": positive(func(a *rcfile.Account, o rcfile.Option, _ int64) {
			a.Drop(o, "mailhaul does not delete mail because of its size: see keep")
		}),
		"received":                rcfile.Put("headers", config.Pair("received", true)).When(pyBool),
		"delivered_to":            rcfile.Drop("mailhaul delivers messages byte for byte").When(pyBool),
		"to_oldmail_on_each_mail": rcfile.Carry("mailhaul records each batch when it is delivered"),
		"use_netrc":               rcfile.Effect(useNetrc).When(pyBool),
		"skip_imap_fetch_size":    rcfile.Drop("is for IMAP"),
		"netrc_file":              rcfile.Drop("set NETRC in the environment"),
		"verbose message_log message_log_syslog message_log_verbose logfile fingerprint": rcfile.Drop("the log goes to stderr: see log"),
	}
}

// positive applies an effect to a number over 0, which stands for no limit.
func positive(effect func(a *rcfile.Account, o rcfile.Option, n int64)) rcfile.Effect {
	return func(a *rcfile.Account, o rcfile.Option) {
		if n, _ := rcfile.Int(o.Value); n > 0 {
			effect(a, o, n)
		}
	}
}

// putLimit sets one of the keys of limit.
func putLimit(a *rcfile.Account, o rcfile.Option, key string, v any) {
	m, _ := a.Value("limit").(config.Map)
	a.Put(o, "limit", m.And(key, v))
}

func useNetrc(a *rcfile.Account, o rcfile.Option) {
	if !a.Has("password") && !a.Has("token") {
		a.Put(o, "password", config.Pair("netrc", true))
	}
}
