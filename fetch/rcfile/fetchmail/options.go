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
	return map[string]func(o setting){
		"user": m.names, "is": m.names, "to": m.names, "protocol": m.protocol, "auth": m.auth, "interval": m.interval, "uidl": m.uidl,
		"localdomains": func(o setting) { m.domains = append(m.domains, o.args...) },
		"aka":          func(o setting) { m.hosts = append(m.hosts, o.args...) },
		"limit":        m.limit, "fetchlimit": m.limit, "sslproto": m.sslProto, "sslcertck": m.certCheck, "sslcommonname": m.commonName,
	}[name]
}

func (m *merge) protocol(o setting) {
	if strings.ToLower(o.Value) == "auto" {
		m.Change(o.Option, "fetchmail tries IMAP first; mailhaul uses POP3")
	} else {
		m.Carry(o.Option, "server")
	}
}

func (m *merge) auth(o setting) {
	switch o.Value = strings.ToLower(o.Value); o.Value {
	case "ssh", "implicit":
		m.Drop(o.Option, "mailhaul always logs in: a server that trusts the connection needs no mailhaul")
	default:
		rcfile.Auth(m.Account, o.Option, "any= password xoauth2 oauthbearer cram=cram-md5 cram-md5 gssapi kerberos=gssapi kerberos5=gssapi kerberos_v5=gssapi external")
	}
}

func (m *merge) interval(o setting) {
	if m.every > 0 {
		m.Carry(o.Option, "every")
	}
}

func (m *merge) uidl(o setting) {
	if o.negated() {
		m.Change(o.Option, "UIDL is always used")
	} else {
		m.Carry(o.Option, "UIDL is always used")
	}
}

// limit handles limit and fetchlimit; 0 is none in fetchmail.
func (m *merge) limit(o setting) {
	key, value := "max_size", any(rcfile.Size(o.num()))
	if o.Name == "fetchlimit" {
		key, value = "limit", config.Pair("messages", int(o.num()))
	}
	switch {
	case o.num() <= 0:
		m.Unset(key)
		m.Carry(o.Option, "no limit, as by default")
	case o.Name == "fetchlimit" && o.num() > 100_000_000:
		m.Drop(o.Option, "is out of range")
	default:
		m.Put(o.Option, key, value)
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
