package fetchmail

import (
	_ "embed"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

//go:embed keywords.txt
var keywords string

// own returns what an option needs that is more than the table says.
func (m *merge) own(name string) func(o setting) {
	plain := func(f func(*rcfile.Account, setting)) func(setting) { return func(o setting) { f(m.Account, o) } }
	return map[string]func(o setting){
		"user": m.names, "is": m.names, "to": m.names, "protocol": plain(protocol), "auth": plain(auth), "interval": m.interval, "uidl": plain(uidl),
		"localdomains": func(o setting) { m.domains = append(m.domains, o.args...) },
		"aka":          func(o setting) { m.hosts = append(m.hosts, o.args...) },
		"limit":        plain(limit), "fetchlimit": plain(limit), "sslproto": m.sslProto, "sslcertck": m.certCheck, "sslcommonname": m.commonName,
	}[name]
}

func protocol(a *rcfile.Account, o setting) {
	if strings.ToLower(o.Value) == "auto" {
		a.Change(o.Option, "fetchmail tries IMAP first; mailhaul uses POP3")
	} else {
		a.Carry(o.Option, "server")
	}
}

func auth(a *rcfile.Account, o setting) {
	switch o.Value = strings.ToLower(o.Value); o.Value {
	case "ssh", "implicit":
		a.Drop(o.Option, "mailhaul always logs in: a server that trusts the connection needs no mailhaul")
	default:
		rcfile.Auth(a, o.Option, "any= password xoauth2 oauthbearer cram=cram-md5 cram-md5 gssapi kerberos=gssapi kerberos5=gssapi kerberos_v5=gssapi external")
	}
}

func (m *merge) interval(o setting) {
	if m.every > 0 {
		m.Carry(o.Option, "every")
	}
}

func uidl(a *rcfile.Account, o setting) {
	if o.negated() {
		a.Change(o.Option, "UIDL is always used")
	} else {
		a.Carry(o.Option, "UIDL is always used")
	}
}

// limit handles limit and fetchlimit; 0 is none in fetchmail.
func limit(a *rcfile.Account, o setting) {
	key, value := "max_size", any(rcfile.Size(o.num()))
	if o.Name == "fetchlimit" {
		key, value = "limit", config.Pair("messages", int(o.num()))
	}
	switch {
	case o.num() <= 0:
		a.Unset(key)
		a.Carry(o.Option, "no limit, as by default")
	case o.Name == "fetchlimit" && o.num() > 100_000_000:
		a.Drop(o.Option, "is out of range")
	default:
		a.Put(o.Option, key, value)
	}
}

// sslProto without a version turns STLS off; see tls for the others.
func (m *merge) sslProto(o setting) {
	if o.Value == "" {
		m.Carry(o.Option, "tls")
	}
}

func (m *merge) certCheck(o setting) {
	if o.negated() {
		m.Drop(o.Option, rcfile.NoVerify)
	} else {
		m.Carry(o.Option, "mailhaul always checks certificates")
	}
}

func (m *merge) commonName(o setting) {
	if !config.ValidHost(o.Value) {
		m.Drop(o.Option, "is not a host name")
		return
	}
	m.Put(o.Option, "server_name", o.Value)
	m.Change(o.Option, "is the name in the certificate; as server_name it is also the name that the server is asked for (SNI), which stays "+m.Host+" in fetchmail: "+
		"if the login fails by TLS now, take server_name out and pin the certificate's key")
}
