package fetchmail

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// kind is how a keyword stands in a fetchmailrc.
type kind uint8

const (
	server kind = 1 << iota // stands before any user option
	global                  // stands behind set
	one                     // takes a value
	many                    // takes values
	no                      // may follow no without a blank
	off                     // with no it is mailhaul's default
	both                    // effect handles it with no, too
)

// keyword is a row of the table of keywords.
type keyword struct {
	// names are keywords, with blanks between them; other spellings of one
	// stand behind it and a slash.
	names string
	kind  kind
	// effect, if not nil, handles the option; why is the reason for a drop if
	// the option has no note after that.
	effect func(m *merge, o setting)
	why    string
}

// spell returns the spelling in notes of one of the keyword's names.
func (k *keyword) spell(name string) string {
	for names := range strings.FieldsSeq(k.names) {
		if list := strings.Split(names, "/"); slices.Contains(list, name) {
			return list[0]
		}
	}
	return ""
}

// reason is why, or words that fit each option.
func (k *keyword) reason() string { return cmp.Or(k.why, "has no counterpart") }

// keywords returns the table by each spelling.
func keywords() map[string]*keyword {
	words := map[string]*keyword{}
	for _, row := range slices.Concat(structure(), serverOptions(), userOptions(), tlsOptions()) {
		for name := range strings.FieldsFuncSeq(row.names, func(r rune) bool { return r == ' ' || r == '/' }) {
			words[name] = &row
		}
	}
	return words
}

const (
	byteForByte = "mailhaul delivers messages byte for byte"
	notNeeded   = "is not needed"
)

func structure() []keyword {
	return []keyword{
		{names: "set defaults poll/server skip no here there accept reject"},
		{names: "user/username is to", effect: (*merge).names},
		{names: "idfile pidfile daemon", kind: global | one},
		{names: "postmaster", kind: global | one, why: "mailhaul puts refused mail into the quarantine Maildir and reports it; it does not send it to someone else"},
		{names: "bouncemail spambounce", kind: global | no, why: "mailhaul never sends bounces: see on_reject"},
		{names: "softbounce", kind: global, why: "mailhaul never sends bounces: see on_reject"},
		{names: "logfile", kind: global | one, why: "the log goes to stderr: see log, or let systemd or cron keep it"},
		{names: "syslog showdots", kind: global, why: "the log goes to stderr: see log, or let systemd or cron keep it"},
		{names: "properties", kind: global | one, why: "is for scripts: fetchmail ignores it, too"},
		{names: "invisible", kind: global, why: "no Received field is added unless headers: {received: true}"},
	}
}

func serverOptions() []keyword {
	return []keyword{
		{names: "via", kind: server | one, effect: as(rcfile.Carry("server"))},
		{names: "protocol/proto", kind: server | one, effect: protocol},
		{names: "port/service", kind: server | one, effect: as(rcfile.ServicePort)},
		{names: "auth/authenticate/preauth/preauthenticate", kind: server | one, effect: auth},
		{names: "timeout", kind: server | one, effect: as(rcfile.Seconds("timeout"))},
		{names: "interval", kind: server | one, effect: interval},
		{names: "uidl", kind: server | no | both, effect: uidl},
		{names: "plugin esmtpname esmtppassword", kind: server | one, effect: later},
		{names: "plugout", kind: server | one, effect: as(rcfile.Lose("mailhaul reaches the relay by TCP: a pipe target can run the command"))},
		{names: "envelope", kind: server | many | no, effect: later, why: "has no effect: recipients do not come from that field here"},
		{names: "qvirtual", kind: server | one, effect: later, why: "has no effect: recipients do not come from that field here"},
		{names: "aka", kind: server | many, why: "mailhaul never guesses recipients from To and Cc: see to"},
		{names: "localdomains/local", kind: server | many, why: "fetchmail delivers only to addresses in these domains; mailhaul passes each address to the target: " +
			"enable the account only if the target accepts no other domains"},
		{names: "principal", kind: server | one, why: "see krb: {service: ...}"},
		{names: "interface monitor", kind: server | one, why: "mailhaul does not check the network interface: a before command can"},
		{names: "dns checkalias", kind: server | no | off, why: notNeeded},
		{names: "tracepolls", kind: server | off, why: "no Received field is added unless headers: {received: true}"},
		{names: "bad-header", kind: server | one, why: byteForByte},
		{names: "retrieve-error", kind: server | one, why: "mailhaul retries a message that it cannot fetch: see poison"},
	}
}

func userOptions() []keyword {
	return []keyword{
		{names: "password/pass", kind: one, effect: later},
		{names: "preconnect/pre", kind: one, effect: as(rcfile.CommandKey("before"))},
		{names: "postconnect/post", kind: one, effect: as(rcfile.CommandKey("after"))},
		{names: "keep", kind: no | both, effect: as(rcfile.Carry("keep"))},
		{names: "limit", kind: one, effect: limit},
		{names: "fetchlimit", kind: one, effect: fetchLimit},
		{names: "fetchall", kind: no | off, effect: as(rcfile.FetchAll)},
		{names: "smtphost/smtp", kind: many, effect: later},
		{names: "lmtp", effect: later},
		{names: "mda smtpaddress smtpname", kind: one, effect: later},
		{names: "bsmtp", kind: one, why: "mailhaul does not write batched SMTP: use mbox or maildir"},
		{names: "fetchdomains", kind: many, why: "is for ETRN and ODMR"},
		{names: "folder/folders", kind: many, why: "POP3 has only the INBOX"},
		{names: "moveto", kind: one, why: "POP3 has only the INBOX"},
		{names: "antispam", kind: many, why: "a permanently refused message goes to the quarantine Maildir: see on_reject"},
		{names: "flush limitflush", kind: no | off, why: "deletes mail that was not fetched in this run: mailhaul deletes only what it has delivered (keep)"},
		{names: "rewrite stripcr forcecr pass8bits/pass8 dropstatus dropdelivered mimedecode/mimedec", kind: no | off, why: byteForByte},
		{names: "idle forceidle", kind: no | off, why: "POP3 has no IDLE: see every"},
		{names: "idletimeout", kind: one, why: "POP3 has no IDLE: see every"},
		{names: "warnings", kind: one, why: "each run reports messages larger than max_size"},
		{names: "batchlimit fetchsizelimit fastuidl expunge", kind: one, why: notNeeded},
	}
}

func tlsOptions() []keyword {
	return []keyword{
		{names: "ssl", kind: both, effect: as(rcfile.Carry("tls"))},
		{names: "sslproto", kind: one, effect: sslProto},
		{names: "sslcertck", kind: both, effect: certCheck},
		{names: "sslcertfile", kind: one, effect: file("ca_file")},
		{names: "sslcert", kind: one, effect: file("client_cert")},
		{names: "sslkey", kind: one, effect: file("client_key")},
		{names: "sslcommonname", kind: one, effect: commonName},
		{names: "sslcertpath", kind: one, why: "needs one file with the authorities: ca_file"},
		{names: "sslfingerprint", kind: one, why: "is the hash of a whole certificate, which changes at each renewal; pin needs the hash of its public key: mailhaul check --connect shows it"},
	}
}

func as(effect rcfile.Effect) func(m *merge, o setting) {
	return func(m *merge, o setting) { effect(m.Account, o.Option) }
}

// later is for an option that is read together with others.
func later(*merge, setting) {}

// file sets a key to the path of a file beside the rc file.
func file(key string) func(m *merge, o setting) {
	return func(m *merge, o setting) { m.PutFile(o.Option, key, o.Value, filepath.Dir(o.File)) }
}

func protocol(m *merge, o setting) {
	if strings.ToLower(o.Value) == "auto" {
		m.Change(o.Option, "fetchmail tries IMAP first; mailhaul uses POP3")
	} else {
		m.Carry(o.Option, "server")
	}
}

func auth(m *merge, o setting) {
	switch o.Value = strings.ToLower(o.Value); o.Value {
	case "ssh", "implicit":
		m.Drop(o.Option, "mailhaul always logs in: a server that trusts the connection needs no mailhaul")
	default:
		rcfile.Auth("any= password xoauth2 oauthbearer cram=cram-md5 cram-md5 gssapi kerberos=gssapi kerberos5=gssapi kerberos_v5=gssapi external")(m.Account, o.Option)
	}
}

func interval(m *merge, o setting) {
	if m.every > 0 {
		m.Carry(o.Option, "every")
	}
}

func uidl(m *merge, o setting) {
	if o.negated() {
		m.Change(o.Option, "UIDL is always used")
	} else {
		m.Carry(o.Option, "UIDL is always used")
	}
}

func limit(m *merge, o setting) {
	if bounded(m, o, "max_size") {
		m.Put(o.Option, "max_size", rcfile.Size(o.num))
	}
}

func fetchLimit(m *merge, o setting) {
	switch {
	case !bounded(m, o, "limit"):
	case o.num > 100_000_000:
		m.Drop(o.Option, "is out of range")
	default:
		m.Put(o.Option, "limit", config.Pair("messages", int(o.num)))
	}
}

// bounded reports whether there is a limit: 0 is none in fetchmail.
func bounded(m *merge, o setting, key string) bool {
	if o.num <= 0 {
		m.Unset(key)
		m.Carry(o.Option, "no limit, as by default")
	}
	return o.num > 0
}

// sslProto without a version turns STLS off; see tls for the others.
func sslProto(m *merge, o setting) {
	if o.Value == "" {
		m.Carry(o.Option, "tls")
	}
}

func certCheck(m *merge, o setting) {
	if o.negated() {
		rcfile.NoVerify(m.Account, o.Option)
	} else {
		m.Carry(o.Option, "mailhaul always checks certificates")
	}
}

func commonName(m *merge, o setting) {
	if !config.ValidHost(o.Value) {
		m.Drop(o.Option, "is not a host name")
		return
	}
	m.Put(o.Option, "server_name", o.Value)
	m.Change(o.Option, "is the name in the certificate; as server_name it is also the name that the server is asked for (SNI), which stays "+m.Host+" in fetchmail: "+
		"if the login fails by TLS now, take server_name out and pin the certificate's key")
}
