package fetchmail

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// deliver decides the target: a command, or SMTP to this machine by default.
func (m *merge) deliver() {
	m.a.Multi = m.wild || m.renamed || len(m.locals) > 1
	if m.a.Multi {
		m.multidrop()
	}
	if o, ok := m.last["mda"]; ok {
		m.mda(o)
		for _, name := range []string{"smtphost", "lmtp", "smtpaddress", "smtpname", "esmtpname", "esmtppassword"} {
			if o, ok := m.last[name]; ok {
				m.a.Drop(o.Option, "has no use beside mda")
			}
		}
		return
	}
	if o, ok := m.last["bsmtp"]; ok {
		m.a.Unsure = "mail went to a batch file (" + o.Text + ")"
		return
	}
	m.relay()
	if o, ok := m.last["smtpaddress"]; ok && !m.a.Noted(o.Option) {
		m.a.Drop(o.Option, "no domain is put in place of another: recipients stay as they are in deliver or the header field")
	}
	if o, ok := m.last["smtpname"]; ok && !m.a.Noted(o.Option) {
		m.a.Drop(o.Option, "is no address, or the recipients are those of a shared mailbox")
	}
}

// multidrop takes recipients from the envelope field. Where fetchmail guesses
// them, a person has to name the field.
func (m *merge) multidrop() {
	a, start := m.a, rcfile.Option{File: m.a.File, Line: m.a.Line, Text: ""}
	header := m.envelope
	if header == "" || strings.EqualFold(header, "Received") || !rcfile.ValidField(header) {
		header = "Delivered-To"
		a.Unsure = "fetchmail guesses the recipients of this shared mailbox; name the field that holds them under to: header"
	} else {
		a.Carry(m.last["envelope"].Option, "to")
		m.skipped = m.skip
	}
	to := config.Pair("header", strings.TrimSuffix(header, ":"))
	if o, ok := m.last["qvirtual"]; ok {
		if why := rcfile.BadText(o.args[0]); why != "" {
			a.Drop(o.Option, why)
		} else {
			to = to.And("strip", o.args[0])
			a.Carry(o.Option, "to")
		}
	}
	if m.skipped > 0 && m.skipped < 1000 {
		to = to.And("occurrence", config.Word(strconv.FormatInt(m.skipped+1, 10)))
	}
	a.Set("to", to)
	if a.Unsure == "" {
		a.Unsure = "fetchmail hands on only addresses of its own (localdomains, local names) and the rest to the postmaster; here each " +
			"address in the field is handed to the target, which could send it out to strangers: enable it only if the target takes no other domains"
	}
	if m.renamed || len(m.locals) > 0 {
		a.Change(start, fmt.Sprintf("local names (%s) are not mapped: each message goes to the address in the field; let the target's aliases map it", strings.Join(m.locals, ", ")))
	}
}

// local is the one name that mail goes to.
func (m *merge) local() string {
	if len(m.locals) == 1 {
		return m.locals[0]
	}
	return m.r.Options.User
}

// mda makes a pipe. fetchmail runs it by a shell and replaces %T and %F by
// quoted addresses; the sender is in $SENDER here.
func (m *merge) mda(o setting) {
	line := o.args[0]
	if strings.Contains(line, "%F") {
		m.a.Change(o.Option, "%F is $SENDER now, which is empty for a message without a Return-Path")
	}
	if line = rcfile.FromEnvironment(line, "%F", "SENDER"); m.a.Multi {
		line = rcfile.FromEnvironment(line, "%T", "RECIPIENT")
	}
	for _, q := range []string{"'%T'", `"%T"`, "%T"} {
		line = strings.ReplaceAll(line, q, rcfile.ShellQuote(m.local()))
	}
	argv, err := rcfile.Command(line)
	if err != nil {
		m.a.Lose(o.Option, err.Error())
		return
	}
	m.a.Deliver(o.Option, "pipe", config.Pair("command", argv))
}

// relay makes an SMTP or LMTP target.
func (m *merge) relay() {
	a, start := m.a, rcfile.Option{File: m.a.File, Line: m.a.Line, Text: ""}
	o, given := m.last["smtphost"]
	host := "localhost"
	if given {
		host = o.args[0]
		if len(o.args) > 1 {
			a.Drop(o.Option, "only the first host is used: mailhaul does not hunt")
		}
		start = o.Option
	}
	kind := "smtp"
	if l, ok := m.last["lmtp"]; ok {
		kind = "lmtp"
		a.Carry(l.Option, "deliver")
	} else if strings.HasPrefix(host, "/") {
		kind = "lmtp" // fetchmail speaks LMTP to a socket
	}
	server, name, err := relayServer(host, kind)
	if err != nil {
		a.Lose(start, err.Error())
		return
	}
	relay := config.Pair("server", server)
	if !a.Multi {
		relay = relay.And("to", []string{m.recipient(name)})
	}
	if name != "localhost" && !config.Loopback(strings.ToLower(name)) {
		relay = relay.And("tls", config.Word("none")).And("insecure", true)
		a.Change(start, "mail goes to "+name+" in the clear, as before: take tls and insecure out if it has STARTTLS")
	}
	relay = m.relayLogin(relay)
	if a.Deliver(start, kind, relay); !given {
		a.Notes[len(a.Notes)-1] = rcfile.Note{Kind: rcfile.Changed, File: a.File, Line: a.Line, Option: "", Why: "without mda or smtphost, fetchmail hands mail to the SMTP server on this machine"}
	}
}

// recipient is the address that a single-drop mailbox is delivered to.
func (m *merge) recipient(domain string) string {
	if o, ok := m.last["smtpname"]; ok && rcfile.GoodAddress(o.args[0]) {
		m.a.Carry(o.Option, "deliver")
		return o.args[0]
	}
	if o, ok := m.last["smtpaddress"]; ok && rcfile.GoodAddress(o.args[0]) {
		m.a.Carry(o.Option, "deliver")
		domain = o.args[0]
	}
	local := m.local()
	if !strings.Contains(local, "@") {
		local += "@" + domain
	}
	if !rcfile.GoodAddress(local) {
		m.a.Unsure = "the local user's name is no address"
		return "postmaster"
	}
	return local
}

// relayLogin adds the login at the relay.
func (m *merge) relayLogin(relay config.Map) config.Map {
	name, ok1 := m.last["esmtpname"]
	pass, ok2 := m.last["esmtppassword"]
	if !ok1 || !ok2 || rcfile.BadText(name.args[0]) != "" || rcfile.BadText(pass.args[0]) != "" {
		for _, o := range []setting{name, pass} {
			if o.name != "" {
				m.a.Drop(o.Option, "a login at the relay wants both esmtpname and esmtppassword")
			}
		}
		return relay
	}
	m.a.Carry(name.Option, "deliver")
	m.a.Carry(pass.Option, "deliver")
	return relay.And("user", name.args[0]).And("password", m.r.Secret(m.a, "smtp-password", pass.args[0]))
}

// relayServer reads HOST[/PORT] or a socket's path. name is the domain of
// recipients.
func relayServer(s, kind string) (server, name string, err error) {
	if strings.HasPrefix(s, "/") {
		p, err := rcfile.YAMLPath(s, "/", false)
		return p, "localhost", err
	}
	host, port, _ := strings.Cut(s, "/")
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	n, _ := strconv.Atoi(port)
	switch {
	case !rcfile.ValidHost(host):
		return "", "", fmt.Errorf("is not a host name")
	case port != "" && (n < 1 || n > 65535):
		return "", "", fmt.Errorf("names no port")
	case kind == "lmtp" && (n == 0 || n == 25):
		return "", "", fmt.Errorf("LMTP wants a port of its own, or a socket: write deliver: - lmtp: {server: ...}")
	}
	return rcfile.HostPort(host, n, 25), host, nil
}
