package fetchmail

import (
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// option handles one option of an account; what needs several is left to
// finish.
func (m *merge) option(o setting) {
	m.remember(o)
	if m.server(o) || m.mailOptions(o) || m.tlsOptions(o) {
		return
	}
	m.a.Drop(o.Option, why(o.name))
}

// server handles how and where to log in.
func (m *merge) server(o setting) bool {
	a := m.a
	switch o.name {
	case "user":
		m.names(o)
	case "via":
		a.Carry(o.Option, "server")
	case "protocol":
		m.protocol(o)
	case "port":
		if p := rcfile.ServicePort(o.args[0]); p > 0 {
			a.Port = p
			a.Carry(o.Option, "server")
		} else {
			a.Drop(o.Option, "is no port of POP3: write server: HOST:PORT")
		}
	case "auth":
		m.auth(o)
	case "timeout":
		a.Seconds(o.Option, "timeout", o.num)
	case "interval":
		m.interval = o.num
		if m.every > 0 {
			a.Carry(o.Option, "every")
		}
	case "uidl", "nouidl":
		m.uidl = o.name == "uidl"
		if m.uidl {
			a.Carry(o.Option, "UIDL is always used")
		} else {
			a.Change(o.Option, "UIDL is always used")
		}
	case "password":
		m.password = &o
	case "plugin":
		// when host and port are known: see finish
	case "preconnect":
		m.argv(o, "before", o.args[0])
	case "postconnect":
		m.argv(o, "after", o.args[0])
	default:
		return false
	}
	return true
}

// plugin sets the tunnel; its %p is what port, ssl and the protocol make it.
func (m *merge) plugin() {
	if o, ok := m.last["plugin"]; ok {
		m.argv(o, "tunnel", strings.NewReplacer("%h", rcfile.ShellQuote(m.host), "%p", rcfile.ShellQuote(m.port())).Replace(o.args[0]))
	}
}

func (m *merge) port() string {
	if m.a.Port > 0 {
		return fmt.Sprint(m.a.Port)
	}
	if m.ssl {
		return "995"
	}
	return "110"
}

func (m *merge) argv(o setting, key, line string) {
	argv, err := rcfile.Command(line)
	if err != nil {
		m.a.Drop(o.Option, err.Error())
		return
	}
	m.a.Put(o.Option, key, argv)
}

func (m *merge) protocol(o setting) {
	switch p := strings.ToLower(o.args[0]); p {
	case "pop3", "apop", "auto":
		if m.proto = p; p == "auto" {
			m.a.Change(o.Option, "fetchmail tries IMAP first; this is POP3")
		} else {
			m.a.Carry(o.Option, "server")
		}
	default:
		m.reject = "protocol " + p + ": mailhaul fetches by POP3 only"
	}
}

func (m *merge) auth(o setting) {
	word := ""
	switch strings.ToLower(o.args[0]) {
	case "any":
		m.a.Carry(o.Option, "auth")
		return
	case "password":
		word = "password"
	case "cram", "cram-md5":
		word = "cram-md5"
	case "gssapi", "kerberos", "kerberos5", "kerberos_v5":
		word = "gssapi"
	case "external":
		word = "external"
	case "ssh", "implicit":
		m.a.Drop(o.Option, "mailhaul always logs in: a server that trusts the connection needs no mailhaul")
		return
	default:
		m.a.Drop(o.Option, "is not supported; auto takes the strongest that the server offers")
		return
	}
	m.a.Put(o.Option, "auth", config.Word(word))
}

// mailOptions handles what is fetched, kept and delivered.
func (m *merge) mailOptions(o setting) bool {
	a := m.a
	switch o.name {
	case "is", "to":
		m.names(o)
	case "keep", "nokeep":
		m.keep = o.name == "keep"
		a.Carry(o.Option, "keep")
	case "limit":
		m.bound(o, "max_size")
	case "fetchlimit":
		m.bound(o, "limit")
	case "fetchall":
		a.Change(o.Option, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
	case "envelope":
		m.envelope = o.args[len(o.args)-1]
		if m.skip = 0; len(o.args) == 2 {
			m.skip = o.num
			if n, ok := rcfile.Atoi(o.args[0]); ok {
				m.skip = n
			}
		}
	case "noenvelope":
		m.envelope = ""
	case "plugout":
		a.Lose(o.Option, why(o.name))
	case "smtphost", "mda", "lmtp", "smtpaddress", "smtpname", "qvirtual", "esmtpname", "esmtppassword":
		// see deliver
	case "nofetchall", "noflush", "nolimitflush", "norewrite", "nostripcr", "noforcecr", "nopass8bits", "nodropstatus",
		"nodropdelivered", "nomimedecode", "noidle", "noforceidle", "nocheckalias", "nodns", "notracepolls":
		a.Carry(o.Option, "is so anyway")
	default:
		return false
	}
	return true
}

// bound sets a limit that fetchmail knows 0 for.
func (m *merge) bound(o setting, key string) {
	switch {
	case o.num <= 0:
		m.a.Unset(key)
		m.a.Carry(o.Option, "no limit, as by default")
	case key == "limit" && o.num > 100_000_000:
		m.a.Drop(o.Option, "is out of range")
	case key == "limit":
		m.a.Put(o.Option, key, config.Pair("messages", config.Word(fmt.Sprint(o.num))))
	default:
		m.a.Put(o.Option, key, rcfile.Size(o.num))
	}
}

// tlsOptions handles TLS.
func (m *merge) tlsOptions(o setting) bool {
	a := m.a
	switch o.name {
	case "ssl", "nossl":
		m.ssl = o.name == "ssl"
		a.Carry(o.Option, "tls")
	case "sslproto":
		m.tlsProto = o.args[0]
		if m.tlsProto == "" {
			a.Carry(o.Option, "tls")
		}
	case "sslcertck":
		a.Carry(o.Option, "certificates are always checked")
	case "nosslcertck":
		a.Drop(o.Option, "certificates are always checked: give ca_file or pin if the server has one of its own")
	case "sslcertfile":
		m.file(o, "ca_file")
	case "sslcertpath":
		a.Drop(o.Option, "wants one file with the authorities: ca_file")
	case "sslcommonname":
		if !rcfile.ValidHost(o.args[0]) {
			a.Drop(o.Option, "is not a host name")
		} else {
			a.Put(o.Option, "server_name", o.args[0])
			a.Change(o.Option, "is the name in the certificate; as server_name it is also the name that the server is asked for (SNI), which stays "+m.host+" in fetchmail: "+
				"if the login fails by TLS now, take server_name out and pin the certificate's key")
		}
	case "sslfingerprint":
		a.Drop(o.Option, "is the hash of a whole certificate, which changes at each renewal; pin wants that of its public key: mailhaul check --connect shows it")
	case "sslcert":
		m.file(o, "client_cert")
	case "sslkey":
		m.file(o, "client_key")
	default:
		return false
	}
	return true
}

// names handles user, is and to.
func (m *merge) names(o setting) {
	if o.there || o.name == "user" && !o.here {
		m.user = o.maps[0][0]
		m.a.Carry(o.Option, "user")
		return
	}
	for _, p := range o.maps {
		local := p[0]
		if p[1] != "" {
			local, m.renamed = p[1], true
		}
		if p[0] == "*" && p[1] == "" {
			m.wild = true
			continue
		}
		m.locals = append(m.locals, local)
	}
	m.a.Carry(o.Option, "deliver")
}

// why says why an option has no counterpart.
func why(name string) string {
	switch strings.TrimPrefix(name, "no") {
	case "flush", "limitflush":
		return "deletes mail that was not fetched in this run: mailhaul deletes only what it has delivered (keep)"
	case "rewrite", "stripcr", "forcecr", "pass8bits", "dropstatus", "dropdelivered", "mimedecode", "bad-header":
		return "messages are delivered byte for byte"
	case "idle", "forceidle", "idletimeout":
		return "POP3 has no IDLE: see every"
	case "folder", "moveto":
		return "POP3 has only the INBOX"
	case "expunge", "batchlimit", "fetchsizelimit", "fastuidl", "checkalias", "dns":
		return "is not needed"
	case "warnings":
		return "messages over max_size are reported by each run"
	case "aka", "localdomains":
		return "recipients are never guessed from To and Cc: see to"
	case "antispam":
		return "what a target refuses for good goes to the quarantine Maildir: see on_reject"
	case "interface", "monitor":
		return "the network interface is not checked: a before command can"
	case "tracepolls":
		return "no Received field is added unless headers: {received: true}"
	case "envelope", "qvirtual":
		return "has no use: recipients are not taken from that field here"
	case "retrieve-error":
		return "a message that cannot be fetched is tried again: see poison"
	case "principal":
		return "see krb: {service: ...}"
	case "properties":
		return "is for scripts: fetchmail passes it over, too"
	case "plugout":
		return "the relay is reached by TCP: a pipe target can run the command"
	case "bsmtp":
		return "mail cannot be written as a batch of SMTP: use mbox or maildir"
	case "fetchdomains":
		return "is for ETRN and ODMR"
	}
	return "has no counterpart"
}
