package advice

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// loginRows are for what the server answers to a login, or before it is tried.
func loginRows() []row {
	rows := []row{
		said([]string{"application-specific password", "app password", "app-specific password", "invalidsecondfactor"},
			"The provider wants an app password: a password made for one program, in the account's security settings.\nThe password of the web mail does not work here, even if it is right."),
		said([]string{"two-factor", "2-step", "2fa", "multi-factor", "mfa"},
			"The account has two-factor login: make an app password in its security settings, or use OAuth2 (`mailhaul init`, docs/oauth.md)."),
		said([]string{"web login required", "log in via your web browser", "please log in via"},
			"The provider blocked the login as unusual: log in to the web mail once from this network and confirm that it was you, then try again."),
		said([]string{"not enabled for pop", "pop access is disabled", "pop3 is disabled", "pop is disabled", "pop3 access is disabled",
			"enable pop", "pop3 not enabled", "pop not allowed", "protocol disabled", "pop3 service is disabled", "not permitted to use pop"},
			"POP3 is switched off for this mailbox: switch it on in the provider's web mail settings (forwarding and POP/IMAP), then wait a few minutes."),
		said([]string{"basic authentication is disabled", "basic auth", "logon denied", "authentication failed for legacy"},
			"The provider no longer takes passwords over POP3: use OAuth2 (`mailhaul init`, docs/oauth.md)."),
		unlessForGood(said([]string{"too many", "rate limit", "login rate", "exceeded", "frequent"},
			"The provider limits how often one may log in: wait, then run less often.")),
		said([]string{"pop4"}, pop4),
		refusedBy(pop3.InUse,
			"Another program holds the mailbox (close other mail programs), or a broken connection left it locked: that ends by itself after about ten minutes."),
		refusedBy(pop3.LoginDelay, "The server wants a pause between logins: run less often."),
		of(func(e *sasl.TokenError, at Situation) string {
			if !e.TokenTooLong {
				return ""
			}
			return "The access token is longer than the 4096 characters that Exchange Online takes. It grows with the scopes: ask for that of POP alone (" +
				at.key("oauth.scopes") + "), or have the administrator leave out group claims."
		}),
		of(func(e *gssapi.TicketError, at Situation) string { return ticket(e.Problem, at) }),
		of(refusedTicket),
		of(loginAdvice),
		of(func(e *pop3.NoLoginError, at Situation) string {
			switch {
			case e.STLS:
				return "The server offers STLS on this port: use it (" + at.option("tls: stls", "--from pop3://") + ")."
			case e.Is(pop3.ErrInsecure):
				return "Use TLS (" + at.option("tls: implicit or stls", "--from pop3s:// or pop3://") + "), or allow the login without it (" + at.option("insecure: true", "--insecure") + ")."
			}
			return "No password was sent. See `auth` in mailhaul.yaml(5): a login that is named there is used although the server does not announce it."
		}),
	}
	return []row{func(err error, at Situation) string {
		if text := firstOf(rows, err, at); text != "" {
			return text + passwordAdvice(err, at)
		}
		return ""
	}}
}

// loginAdvice is about a login that the server refused, or that could not be finished.
func loginAdvice(e *pop3.LoginError, at Situation) string {
	refused, ok := errors.AsType[*pop3.Error](e.Err)
	switch {
	case e.NoSecret():
		return ""
	case e.Unknown():
		return "The server does not know " + e.Login + ", whatever it announces: set `auth: password` in the configuration file to log in by USER and PASS."
	case e.Unbound():
		return "The server cannot verify the binding to the TLS connection: `auth: " + strings.ToLower(strings.TrimSuffix(e.Login, "-PLUS")) + "` logs in without it."
	case errors.As(e.Err, new(*pop3.ConnError)), errors.Is(e.Err, pop3.ErrProtocol):
		return ""
	case !ok && !errors.As(e.Err, new(*sasl.TokenError)):
		text := "The login was given up: name another one with " + at.key("`auth`") + ". If it worked before, somebody may be in between"
		if at.Bare {
			return text + "."
		}
		return text + ": `mailhaul check --connect` shows the certificate."
	case e.Temporary():
		return "The server says that this will pass: nothing has to be done."
	case ok && refused.Code == pop3.SysPerm:
		return "The provider has to put this right: ask its support."
	case ok && refused.Refusal() == pop3.RefusedQuota:
		return "The mailbox is full, and the provider lets nobody in by POP3 until it is not: make room in its web mail, or ask its support for more."
	case ok && refused.Refusal() == pop3.RefusedAccount:
		return "The provider does not let this account in: it is locked, closed, or not allowed to use POP3. Log in to its web mail and look for what it wants,\nor ask its support. More tries may keep it locked."
	case e.Login == "KPOP":
		return "The ticket is good, but not for this mailbox: is `user` the mailbox of the principal that the ticket is for (klist)?"
	case bearer(e) && e.AfterLogin:
		return "The token is good, but not for this mailbox. Is user: the mailbox that consent was given for (a shared mailbox has its own name)?\nWith Microsoft's app-only access the mailbox must grant it: New-ServicePrincipal with the enterprise application's object id, then Add-MailboxPermission (docs/oauth.md)."
	case bearer(e):
		text := "The access token was refused. Log in anew (mailhaul login " + at.login() + "); check that user: is the mailbox that you gave consent for, and that the scope is that of POP."
		if t, ok := errors.AsType[*sasl.TokenError](e.Err); ok && t.Scope != "" {
			text += " The token may lack the scope that the server names."
		}
		return text
	case e.AfterLogin:
		return "The login is good, but for another mailbox: does the password belong to this user name?"
	}
	return "User name or password is wrong, or the provider wants an app password, or POP3 is off for this mailbox.\nMost providers want the whole address as the user name. Too many wrong tries lock an account: check before you try again."
}

func bearer(e *pop3.LoginError) bool { return e.Login == "XOAUTH2" || e.Login == "OAUTHBEARER" }

func ticket(p gssapi.TicketProblem, at Situation) string {
	return map[gssapi.TicketProblem]string{
		gssapi.NoTicket:   "Run kinit, or name a keytab (" + at.key("krb.keytab") + ").",
		gssapi.OtherCache: "Run kinit -c FILE:PATH and set KRB5CCNAME, or name a keytab (" + at.key("krb.keytab") + ").",
		gssapi.ServiceUnknown: "The KDC does not know this service: is the host spelled as in its keytab, and is its realm in krb5.conf right" +
			" (domain_realm)?",
		gssapi.PrincipalUnknown: "The KDC does not know this principal: is it spelled right?",
		gssapi.WrongKey:         "The keytab does not fit the principal's key: make a new one.",
		gssapi.ClockSkew:        "The clock of this machine differs from the KDC's: set it (timedatectl set-ntp true).",
	}[p]
}

// refusedTicket is about a ticket that the mail server did not take.
func refusedTicket(e *gssapi.RefusedError, at Situation) string {
	otherKey := "The mail server's keytab does not fit this ticket: its administrator must look at it. " +
		at.key("`krb.service`") + " asks for a ticket of another name."
	return map[int32]string{
		gssapi.TicketExpired: "Run kinit, or name a keytab (" + at.key("krb.keytab") + ").",
		gssapi.Replayed: "The mail server has seen this request before: try again. If it stays, somebody may be in between who sends it first:" +
			" use TLS (" + at.key("`tls: implicit`") + ") if the server has it.",
		gssapi.OtherService: otherKey,
		gssapi.ServerSkew:   "The clock of this machine differs from the mail server's: set it (timedatectl set-ntp true).",
		gssapi.NewerKey:     otherKey,
		gssapi.NoServerKey:  otherKey,
	}[e.Code]
}

// passwordAdvice says where the server's provider has app passwords, if a password
// was refused for good.
func passwordAdvice(err error, at Situation) string {
	p := provider.OfServer(at.Host)
	e, ok := errors.AsType[*pop3.LoginError](err)
	if p == nil || p.Password == "" || at.OAuth || !ok || e.Temporary() || !errors.As(e.Err, new(*pop3.Error)) {
		return ""
	}
	return "\n" + p.Name + ": " + p.Password + "."
}

// said is a row for a refusal in one of the words, which are the server's. What is
// said of a message is none of the login's or the mailbox's.
func said(words []string, text string) row {
	return when(func(err error) bool {
		refused, ok := errors.AsType[*pop3.Error](err)
		if !ok {
			return false
		}
		verb, _, _ := strings.Cut(refused.Command, " ")
		if slices.Contains([]string{"RETR", "TOP", "DELE", "QUIT"}, verb) {
			return false
		}
		line := strings.ToLower(refused.Raw + " " + refused.Text)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	}, text)
}

// unlessForGood leaves out logins that were refused for good.
func unlessForGood(r row) row {
	return func(err error, at Situation) string {
		if e, ok := errors.AsType[*pop3.LoginError](err); ok && !e.Temporary() {
			return ""
		}
		return r(err, at)
	}
}

func refusedBy(code pop3.RespCode, text string) row {
	return when(func(err error) bool {
		refused, ok := errors.AsType[*pop3.Error](err)
		return ok && refused.Code == code
	}, text)
}

// networkRows are for the way to the server, and for TLS.
func networkRows() []row {
	return []row{
		func(err error, at Situation) string {
			if conn, ok := errors.AsType[*pop3.ConnError](err); at.Tunnel && (ok && conn.Command == "greeting" && conn.Timeout() || tlsSilent(err)) {
				return silentTunnel
			}
			return ""
		},
		of(func(e *pop3.DialError, at Situation) string {
			if e.Via != "" {
				return "Is the proxy up, and is it the right one (" + at.key("proxy:") + ")?"
			}
			return map[pop3.DialKind]string{
				pop3.DialDNS:         "The server's name does not exist, or this machine has no DNS. Look for a typing mistake in it (often pop.DOMAIN, pop3.DOMAIN or mail.DOMAIN).",
				pop3.DialRefused:     "The machine answers, but nothing listens on that port. 995 is for TLS from the start (" + implicit(at) + "), 110 for STLS (" + stls(at) + "). Some providers have no POP3 at all (iCloud).",
				pop3.DialTimeout:     "No answer at all: a firewall in between (of this network or the provider's), or a wrong address. Try from another network.",
				pop3.DialUnreachable: "There is no way to that network from here: is this machine online? If only IPv6 is broken, fix or switch off IPv6.",
			}[e.Kind]
		}),
		of(tlsAdvice),
	}
}

func tlsSilent(err error) bool {
	e, ok := errors.AsType[*pop3.TLSError](err)
	return ok && e.Kind == pop3.TLSTimeout
}

func implicit(at Situation) string { return at.option("tls: implicit", "--from pop3s://") }
func stls(at Situation) string     { return at.option("tls: stls", "--from pop3://") }

// tlsAdvice has a sentence for each kind.
func tlsAdvice(e *pop3.TLSError, at Situation) string {
	switch {
	case e.Kind == pop3.TLSUnknownAuthority:
		return unknownAuthority(e, at)
	case e.Kind == pop3.TLSExpired && e.Cert != nil && time.Now().Before(e.Cert.NotBefore):
		return "The certificate is from the future: the clock of this machine is wrong. Set it (timedatectl set-ntp true) and try again."
	}
	return map[pop3.TLSKind]string{
		pop3.TLSOther:       "The server's TLS or certificate is of a kind that mailhaul does not have (a certificate that cannot be read and a key under 1024 bits are refused, with a pin too): its owner must renew it.",
		pop3.TLSExpired:     "Is this machine's clock right? Else the server's owner must renew it." + orPin(e, at),
		pop3.TLSNotSpoken:   "The server does not speak TLS on this port: use STLS on port 110 (" + stls(at) + "), or TLS from the start on port 995 (" + implicit(at) + ").",
		pop3.TLSNotOffered:  "Use TLS from the start on port 995 if the server has it (" + implicit(at) + ").",
		pop3.TLSNoCommon:    "Server and client have no version of TLS or no cipher in common: an old server may need min_version: 1.0, or legacy: true, which is weak (both in a configuration file).\nA server that has nothing but DHE key exchange cannot be used.",
		pop3.TLSUnknownName: "The server does not know the name " + e.Host + ": set " + at.key("server_name") + " to the name that its owner uses.",
		pop3.TLSWrongHost:   "Use one of those names as the server, or set " + at.key("server_name") + ".",
		pop3.TLSNameless:    "The certificate does not name the server where programs look today (an old one has its name as common name, or an address as a DNS name): its owner must renew it." + orPin(e, at),
		pop3.TLSUnusable:    "The certificate has a fault that its owner must fix." + orPin(e, at),
		pop3.TLSPinMismatch: "No password was sent. If you know that the server has a new key, set " + at.key("pin") + " to that.",
		pop3.TLSClientCert:  "The server wants a certificate from us that it knows: set " + at.key("client_cert and client_key") + ".",
		pop3.TLSTimeout:     "Does this port speak TLS? If it does, the server is busy.",
		pop3.TLSClosed:      "The connection ends at the TLS greeting: does this port speak TLS, does the server take connections from here?",
	}[e.Kind]
}

func unknownAuthority(e *pop3.TLSError, at Situation) string {
	if e.Cert != nil && inspected(e.Cert.Issuer.String()) {
		return "The certificate was made by a firewall or virus scanner that reads encrypted traffic. Ask for its root certificate and trust it with " + at.option("ca_file", "--ca-file") + ", or have it leave this server alone."
	}
	text := "If this is the right server, trust its authority with " + at.option("ca_file", "--ca-file")
	if e.Cert != nil {
		text += ", or this key alone with " + at.key("`pin: "+pop3.Pin(e.Cert)+"`")
	}
	if text += "."; e.Missing != "" {
		text += " If you trust the authority's root already, the server lacks the intermediate certificate " + e.Missing + ": its owner must add it, and until then a file with that certificate does for " + at.option("ca_file", "--ca-file") + "."
	}
	return text
}

// orPin is the way on that is left if a certificate cannot be changed.
func orPin(e *pop3.TLSError, at Situation) string {
	if e.Cert == nil {
		return ""
	}
	return " To trust its key anyway: " + at.key("`pin: "+pop3.Pin(e.Cert)+"`") + "."
}

// inspected reports whether an issuer is one of the products that decrypt the
// traffic of a network or a machine.
func inspected(issuer string) bool {
	issuer = " " + strings.Join(strings.FieldsFunc(strings.ToLower(issuer), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
	return slices.ContainsFunc([]string{"fortinet", "fortigate", "zscaler", "sophos", "kaspersky", "avast", " avg ", " eset ", "bitdefender", "palo alto",
		"checkpoint", "check point", "netskope", "blue coat", "bluecoat", "cisco umbrella", "watchguard", "untangle", "sonicwall", "barracuda", "proxy", "firewall", "mitm"},
		func(w string) bool { return strings.Contains(issuer, w) })
}

// sessionRows are for a session that broke, and for refusals that are no login's.
func sessionRows() []row {
	return []row{
		is[*pop3.DoubtError]("The server does not mark the end of this message as POP3 demands. It stays there: read it in the provider's web mail."),
		is[*pop3.SizeError]("It stays on the server: compare it there, in the provider's web mail. A server that only estimates sizes is recognised after some messages."),
		of(func(e *pop3.Error, _ Situation) string {
			switch {
			case e.Code == pop3.SysPerm:
				return "The provider has to put this right: ask its support."
			case e.Code == pop3.UTF8:
				return "The server sends this message only in its UTF8 mode: see `utf8` in mailhaul.yaml(5)."
			case e.Temporary():
				return "The server says that this will pass: nothing has to be done."
			}
			return ""
		}),
		of(protocol),
		of(connection),
	}
}

const pop4 = "This is a server of the POP4 proposal (pop4.org), which was never finished. mailhaul uses one that greets with +OK, as POP3."

func protocol(e *pop3.ProtocolError, at Situation) string {
	switch said := strings.ToUpper(e.Text); {
	case e.Command == "greeting" && strings.Contains(said, "POP4"):
		return pop4
	case e.Command == "greeting" && strings.HasPrefix(said, "+OK"): // where another one was expected
		return "This is a POP3 server: leave out " + at.key("`protocol: pop2`") + "."
	case e.Command == "greeting" && strings.HasPrefix(said, "+") && strings.Contains(said, "POP2"):
		return "This is a POP2 server (RFC 937): use " + at.key("`protocol: pop2`") + ", or POP3 on port 995 or 110 if it has that too."
	case e.Command == "KPOP":
		return "KPOP is on port 1109; a POP3 server that has Kerberos takes " + at.key("`auth: gssapi`") + "."
	}
	for _, other := range []struct{ begins, text string }{
		{"* ", "This looks like an IMAP server; POP3 is on port 995 or 110."},
		{"220", "This looks like an SMTP or FTP server; POP3 is on port 995 or 110."},
		{"HTTP/", "This looks like a web server or a proxy; POP3 is on port 995 or 110."},
		{`\x15\x03`, "The server speaks TLS from the start on this port: use " + implicit(at) + "."},
		{`\x16\x03`, "The server speaks TLS from the start on this port: use " + implicit(at) + "."},
	} {
		if strings.HasPrefix(e.Text, other.begins) {
			return other.text
		}
	}
	if e.Command == "greeting" {
		return "Is this a POP3 server and its port (995 or 110)?"
	}
	return "Try again; if it stays, -vv shows the dialogue with the server."
}

func connection(e *pop3.ConnError, at Situation) string {
	greeting := e.Command == "greeting"
	switch {
	case greeting && e.Timeout() && at.Implicit:
		return "The server says nothing, though TLS was agreed on: it is overloaded. Try again later."
	case greeting && e.Timeout():
		return "The server says nothing, as one does that speaks TLS from the start on this port: use " + implicit(at) + ". Else it is overloaded: try again later."
	case greeting:
		text := "The server hangs up before it says anything: it blocks this address (after too many failed logins?), allows no more " +
			"connections, or is being restarted. Try again later, or from another network."
		if !at.Implicit {
			text += " If the port speaks TLS from the start, use " + implicit(at) + "."
		}
		return text
	case e.SessionOver():
		return "`timeouts.session` in mailhaul.yaml(5) is how long a session may take."
	case strings.HasPrefix(e.Command, "RETR ") && e.Timeout():
		return "A server, or a scanner on the way, that reads all of a message before it sends any needs more time: use a longer `timeout` in mailhaul.yaml(5)."
	case e.Command == "QUIT" && e.Timeout():
		return "A server that deletes slowly needs more time to answer QUIT: use a longer `timeout` in mailhaul.yaml(5)."
	}
	if at.Bare {
		return "The network or the server is in trouble; if it stays, -vv shows the dialogue with the server."
	}
	return "The network or the server is in trouble; if it stays, `mailhaul check --connect` names the step that fails."
}
