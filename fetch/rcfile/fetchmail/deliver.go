package fetchmail

import (
	"cmp"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// deliver adds the target: a command, or SMTP to this machine by default.
func (m *merge) deliver() {
	if m.many = m.many || len(m.locals) > 1; m.many {
		m.multidrop()
	}
	if o, ok := m.given("mda"); ok {
		m.mda(o)
		for _, name := range []string{"smtphost", "lmtp", "smtpaddress", "smtpname", "esmtpname", "esmtppassword"} {
			m.unused(name, "has no effect together with mda")
		}
		return
	}
	if o, ok := m.given("bsmtp"); ok {
		m.Unsure = "mail went to a batch file (" + o.Text + ")"
		return
	}
	m.relay()
	m.unused("smtpaddress", "mailhaul does not replace domains: recipients stay as they are in deliver or the header field")
	m.unused("smtpname", "is not an address, or the recipients are those of a shared mailbox")
}

// unused drops an option that was given and that no note is about.
func (m *merge) unused(name, why string) {
	if o, ok := m.given(name); ok && !m.Noted(o.Option) {
		m.Drop(o.Option, why)
	}
}

// local is the one name that mail goes to.
func (m *merge) local() string {
	if len(m.locals) == 1 {
		return m.locals[0][1]
	}
	return m.r.Options.User
}

// mda makes a pipe. fetchmail runs it by a shell and replaces %T and %F by
// quoted addresses.
func (m *merge) mda(o setting) {
	line := o.Value
	if m.many {
		line = rcfile.FromEnvironment(line, "%T", "RECIPIENT")
	}
	for _, q := range []string{"'%T'", `"%T"`, "%T"} {
		line = strings.ReplaceAll(line, q, rcfile.ShellQuote(m.local()))
	}
	m.DeliverLine(o.Option, line)
}

// relay makes an SMTP or LMTP target.
func (m *merge) relay() {
	at, r := m.Start, rcfile.Relay{Kind: "smtp", Host: "localhost"}
	o, given := m.given("smtphost")
	if given {
		at = o.Option
		if r.Host = o.Value; len(o.args) > 1 {
			m.Drop(at, "mailhaul uses only the first host")
		}
	}
	if o, ok := m.given("lmtp"); ok {
		r.Kind = "lmtp"
		m.Carry(o.Option, "deliver")
	}
	if strings.HasPrefix(r.Host, "/") {
		r.Kind = "lmtp" // fetchmail speaks LMTP to a socket
	} else {
		r.Host, r.Port, _ = strings.Cut(r.Host, "/")
		r.Host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	if !m.many {
		r.To = m.recipient(m.domain())
	}
	r.Login = m.relayLogin()
	m.DeliverRelay(at, r, "to "+r.Host)
	if n := &m.Notes[len(m.Notes)-1]; !given && n.Kind == rcfile.Carried {
		n.Kind, n.Why = rcfile.Changed, "without mda or smtphost, fetchmail delivers to the SMTP server on this machine"
	}
}

// domain is the one that fetchmail adds to the names of users here; a command gets
// none.
func (m *merge) domain() string {
	if m.on("mda") {
		return ""
	}
	if o, ok := m.given("smtpaddress"); ok && rcfile.GoodAddress(o.Value) {
		if !m.Noted(o.Option) {
			m.Carry(o.Option, "deliver")
		}
		return o.Value
	}
	o, _ := m.given("smtphost")
	host, _, _ := strings.Cut(o.Value, "/")
	return cmp.Or(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), "localhost")
}

// recipient is the address that a single-drop mailbox is delivered to.
func (m *merge) recipient(domain string) string {
	if o, ok := m.given("smtpname"); ok && rcfile.GoodAddress(o.Value) {
		m.Carry(o.Option, "deliver")
		return o.Value
	}
	local := m.local()
	if !strings.Contains(local, "@") {
		local += "@" + domain
	}
	if !rcfile.GoodAddress(local) {
		m.Unsure = "the local user's name is not an address"
		return "postmaster"
	}
	return local
}

// relayLogin is the login at the relay.
func (m *merge) relayLogin() config.Map {
	name, _ := m.given("esmtpname")
	pass, _ := m.given("esmtppassword")
	if rcfile.BadText(name.Value) != "" || rcfile.BadText(pass.Value) != "" {
		m.unused("esmtpname", "a login at the relay needs both esmtpname and esmtppassword")
		m.unused("esmtppassword", "a login at the relay needs both esmtpname and esmtppassword")
		return nil
	}
	m.Carry(name.Option, "deliver")
	m.Carry(pass.Option, "deliver")
	return config.Pair("user", name.Value).And("password", m.Secret("smtp-password", pass.Value))
}
