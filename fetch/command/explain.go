package command

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// failure is one thing that goes wrong for people, and what to do about it.
type failure struct {
	name   string
	is     func(a *config.Account, err error) bool
	advice string
}

// explain says in plain words what is behind an error: the first row that
// fits, else the error's own hint.
func explain(a *config.Account, err error) string {
	if own := fetch.HintOf(err); own != "" && (errors.As(err, new(*fetch.StateError)) || errors.As(err, new(*oauth.Error)) || errors.As(err, new(*fetch.LoginDelayError)) || errors.As(err, new(*fetch.LimitError))) {
		return own // they know better than their causes
	}
	for _, f := range failures() {
		if f.is(a, err) {
			return strings.ReplaceAll(f.advice, "ACCOUNT", a.Name) + passwordAdvice(a, err)
		}
	}
	return fetch.HintOf(err)
}

// passwordAdvice says where the server's provider has app passwords, if a
// password was refused.
func passwordAdvice(a *config.Account, err error) string {
	p := provider.OfServer(a.Server.Host)
	login := refusedLogin(err)
	if p == nil || p.Password == "" || a.OAuth != nil || login == nil || login.Temporary() {
		return ""
	}
	return "\n" + p.Name + ": " + p.Password + "."
}

// failures are what people meet, the most telling first.
func failures() []failure {
	return []failure{
		{"target gone", func(_ *config.Account, err error) bool { return errors.As(err, new(*deliver.GoneError)) },
			"Mount its volume. If it was removed for good, `mailhaul fetch --create-target` makes it anew, for that run. If the account does not use it any more, make an empty directory (or mbox file) there once."},
		{"app password", said("application-specific password", "app password", "app-specific password", "invalidsecondfactor"),
			"The provider wants an app password: a password made for one program, in the account's security settings.\nThe password of the web mail does not work here, even if it is right."},
		{"multi-factor", said("two-factor", "2-step", "2fa", "multi-factor", "mfa"),
			"The account has two-factor login: make an app password in its security settings, or use OAuth2 (`mailhaul init`, docs/oauth.md)."},
		{"web login required", said("web login required", "log in via your web browser", "please log in via"),
			"The provider blocked the login as unusual: log in to the web mail once from this network and confirm that it was you, then try again."},
		{"pop disabled", said("not enabled for pop", "pop access is disabled", "pop3 is disabled", "pop is disabled", "pop3 access is disabled",
			"enable pop", "pop3 not enabled", "pop not allowed", "protocol disabled", "pop3 service is disabled", "not permitted to use pop"),
			"POP3 is switched off for this mailbox: switch it on in the provider's web mail settings (forwarding and POP/IMAP), then wait a few minutes."},
		{"basic authentication off", said("basic authentication is disabled", "basic auth", "logon denied", "authentication failed for legacy"),
			"The provider no longer takes passwords over POP3: use OAuth2 (`mailhaul init`, docs/oauth.md)."},
		{"too many logins", func(a *config.Account, err error) bool {
			l := refusedLogin(err)
			return (l == nil || l.Temporary()) && said("too many", "rate limit", "login rate", "exceeded", "frequent")(a, err)
		},
			"The provider limits how often one may log in: wait, then run less often."},
		{"maildrop in use", code(pop3.InUse),
			"Another program holds the mailbox (close other mail programs), or a broken connection left it locked: that ends by itself after about ten minutes."},
		{"token too long", func(_ *config.Account, err error) bool {
			var t *sasl.TokenError
			return errors.As(err, &t) && t.TokenTooLong
		}, "The access token is longer than the 4096 characters that Exchange Online takes. It grows with the scopes: ask for that of POP alone (oauth.scopes), or have the administrator leave out group claims."},
		{"token for another mailbox", func(_ *config.Account, err error) bool {
			l := refusedLogin(err)
			return bearer(l) && l.AfterLogin
		}, "The token is good, but not for this mailbox. Is user: the mailbox that consent was given for (a shared mailbox has its own name)?\nWith Microsoft's app-only access the mailbox must grant it: New-ServicePrincipal with the enterprise application's object id, then Add-MailboxPermission (docs/oauth.md)."},
		{"mailbox full", refusedFor(pop3.RefusedQuota),
			"The mailbox is full, and the provider lets nobody in by POP3 until it is not: make room in its web mail, or ask its support for more."},
		{"account closed", refusedFor(pop3.RefusedAccount),
			"The provider does not let this account in: it is locked, closed, or not allowed to use POP3. Log in to its web mail and look for what it wants,\nor ask its support. More tries may keep it locked."},
		{"bearer token refused", func(_ *config.Account, err error) bool {
			l := refusedLogin(err)
			return bearer(l) && refusedForGood(l)
		},
			"The access token was refused. Log in anew (mailhaul login ACCOUNT); check that user: is the mailbox that you gave consent for, and that the scope is that of POP."},
		{"wrong password", func(_ *config.Account, err error) bool { return refusedForGood(refusedLogin(err)) },
			"User name or password is wrong, or the provider wants an app password, or POP3 is off for this mailbox.\nMost providers want the whole address as the user name. Too many wrong tries lock an account: check before you try again."},
		{"name unknown", dial(pop3.DialDNS),
			"The server's name does not exist, or this machine has no DNS. Look for a typing mistake in it (often pop.DOMAIN, pop3.DOMAIN or mail.DOMAIN)."},
		{"wrong port", dial(pop3.DialRefused),
			"The machine answers, but nothing listens on that port. 995 is for TLS from the start (tls: implicit, --from pop3s://), 110 for STLS (tls: stls, --from pop3://). Some providers have no POP3 at all (iCloud)."},
		{"firewall", dial(pop3.DialTimeout),
			"No answer at all: a firewall in between (of this network or the provider's), or a wrong address. Try from another network."},
		{"network down", dial(pop3.DialUnreachable),
			"There is no way to that network from here: is this machine online? If only IPv6 is broken, fix or switch off IPv6."},
		{"clock wrong", func(_ *config.Account, err error) bool {
			var t *pop3.TLSError
			return errors.As(err, &t) && t.Kind == pop3.TLSExpired && t.Cert != nil && clockOff(t.Cert.NotBefore)
		}, "The certificate is from the future: the clock of this machine is wrong. Set it (timedatectl set-ntp true) and try again."},
		{"proxy certificate", func(_ *config.Account, err error) bool {
			var t *pop3.TLSError
			return errors.As(err, &t) && t.Kind == pop3.TLSUnknownAuthority && t.Cert != nil && inspected(t.Cert.Issuer.String())
		}, "The certificate was made by a firewall or virus scanner that reads encrypted traffic. Ask for its root certificate and trust it with ca_file (--ca-file), or have it leave this server alone."},
		{"plain server on TLS port", tlsKind(pop3.TLSNotSpoken),
			"The server does not speak TLS on this port: use STLS on port 110 (tls: stls, --from pop3://), or TLS from the start on port 995 (tls: implicit, --from pop3s://)."},
		{"TLS server on plain port", func(a *config.Account, err error) bool {
			var c *pop3.ConnError
			var p *pop3.ProtocolError
			silent := errors.As(err, &c) && c.Command == "greeting" && c.Timeout()
			return a.Server.Security != pop3.ImplicitTLS && (silent || errors.As(err, &p) && strings.HasPrefix(p.Text, `\x1`))
		}, "The server says nothing, as one does that speaks TLS from the start on this port: use tls: implicit, or --from pop3s://. Else it is overloaded: try again later."},
		{"hung up", func(_ *config.Account, err error) bool {
			var c *pop3.ConnError
			return errors.As(err, &c) && c.Command == "greeting" && !c.Timeout()
		}, "The server hangs up before it says anything: it blocks this address (after too many failed logins?), allows no more connections, or is being restarted. Try again later, or from another network."},
		{"old TLS", tlsKind(pop3.TLSNoCommon),
			"Server and client have no version of TLS or no cipher in common: an old server may need min_version: 1.0, or legacy: true, which is weak (both in a configuration file).\nA server that has nothing but DHE key exchange cannot be used."},
		{"relay down", func(_ *config.Account, err error) bool {
			return errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, new(*deliver.Error))
		}, "The mail server that is the target takes no connections: is it running, and are its name and port right? Messages stay where they are until it does."},
		{"not a directory", ofFile(syscall.ENOTDIR),
			"A part of that path is a file, not a directory: name another path, or move the file away. An mbox file is named with mbox:, not with maildir:."},
		{"access denied by policy", func(a *config.Account, err error) bool {
			return ofFile(syscall.EACCES)(a, err) && os.Geteuid() == 0
		}, "The file system refuses even root: SELinux or AppArmor (see journalctl for a denial), or a read-only or network mount."},
		{"not writable", ofFile(os.ErrPermission),
			"This user may not write there: check the owner and mode of the path and of the directories above it. If these are right, SELinux or AppArmor may forbid it: see journalctl for a denial."},
		{"disk full", ofFile(syscall.ENOSPC, syscall.EDQUOT),
			"The disk is full, or the quota is used up: make room. Messages stay on the server until there is some."},
		{"no locks", ofFile(syscall.ENOLCK),
			"The file system gives no lock: on NFS the lock service may be down on the server or here (rpc.statd, nfslock). Start it, or keep the mbox and the state (--state) on a local disk."},
		{"too many open files", ofFile(syscall.EMFILE, syscall.ENFILE),
			"This process has as many files and connections open as it may: raise the limit (ulimit -n, LimitNOFILE=), or lower parallel."},
		{"read-only", ofFile(syscall.EROFS),
			"The file system is mounted read-only: mount it writable, or name another path."},
	}
}

// refusedLogin is the login that the server refused; nil if it was not asked,
// for want of a password or a token.
func refusedLogin(err error) *pop3.LoginError {
	var l *pop3.LoginError
	if errors.As(err, &l) && errors.As(l.Err, new(*pop3.Error)) {
		return l
	}
	return nil
}

// refusedForGood reports whether a login was refused for what it was, and not
// for now or for a fault of the provider's.
func refusedForGood(l *pop3.LoginError) bool {
	var refused *pop3.Error
	return l != nil && !l.Temporary() && !l.Unknown() && !l.Unbound() && errors.As(l.Err, &refused) && refused.Code != pop3.SysPerm
}

// refusedFor fits a login that was refused for good, for what r says.
func refusedFor(r pop3.Refusal) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		var refused *pop3.Error
		l := refusedLogin(err)
		return refusedForGood(l) && errors.As(l.Err, &refused) && refused.Refusal() == r
	}
}

// ofFile fits what the system said of a file, unless it was no target's, or the
// target itself knows better what to do.
func ofFile(causes ...error) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		if errors.As(err, new(*pop3.LoginError)) || errors.As(err, new(*pop3.DialError)) {
			return false // of a secret or a token; of the network
		}
		var target *deliver.Error
		if errors.As(err, &target) && target.Hint != "" && !strings.HasPrefix(target.Error(), "maildir ") {
			return false
		}
		return slices.ContainsFunc(causes, func(c error) bool { return errors.Is(err, c) })
	}
}

// bearer reports whether a login was one with a token.
func bearer(l *pop3.LoginError) bool {
	return l != nil && (l.Login == "XOAUTH2" || l.Login == "OAUTHBEARER")
}

// said fits an error whose text holds one of the words.
func said(words ...string) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		var refused *pop3.Error
		if !errors.As(err, &refused) || ofMessage(refused) {
			return false
		}
		text := strings.ToLower(refused.Raw + " " + refused.Text)
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
}

// ofMessage reports whether a refusal is about a message and not about the
// login or the mailbox.
func ofMessage(refused *pop3.Error) bool {
	verb, _, _ := strings.Cut(refused.Command, " ")
	return slices.Contains([]string{"RETR", "TOP", "DELE", "QUIT"}, verb)
}

func code(c pop3.RespCode) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		var refused *pop3.Error
		return errors.As(err, &refused) && refused.Code == c
	}
}

func dial(k pop3.DialKind) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		var d *pop3.DialError
		return errors.As(err, &d) && d.Kind == k && d.Via == ""
	}
}

func tlsKind(k pop3.TLSKind) func(*config.Account, error) bool {
	return func(_ *config.Account, err error) bool {
		var t *pop3.TLSError
		return errors.As(err, &t) && t.Kind == k
	}
}

// clockOff reports whether a certificate's first day is still to come.
func clockOff(notBefore time.Time) bool { return time.Now().Before(notBefore) }

// inspected reports whether an issuer is one of the products that decrypt the
// traffic of a network or a machine.
func inspected(issuer string) bool {
	issuer = " " + strings.Join(strings.FieldsFunc(strings.ToLower(issuer), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
	for _, w := range []string{"fortinet", "fortigate", "zscaler", "sophos", "kaspersky", "avast", " avg ", " eset ", "bitdefender", "palo alto",
		"checkpoint", "check point", "netskope", "blue coat", "bluecoat", "cisco umbrella", "watchguard", "untangle", "sonicwall", "barracuda", "proxy", "firewall", "mitm"} {
		if strings.Contains(issuer, w) {
			return true
		}
	}
	return false
}
