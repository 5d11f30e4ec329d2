package rcfile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// finish makes each account one that config accepts. None vanishes: what lacks a
// server or a user stays, disabled.
func (r *Result) finish() error {
	for _, a := range r.Accounts {
		switch {
		case !validHost(a.Host):
			a.Host, a.unsure = noHost, "its server is missing or is not a host name"
		case badText(a.User) != "":
			a.User, a.unsure = noUser, "its user name "+badText(a.User)
		}
		if badText(a.User) != "" {
			a.User = noUser
		}
		r.complete(a)
	}
	return r.settle()
}

func (r *Result) complete(a *Account) {
	o := option{file: a.File, line: a.Line}
	a.Port = cmp.Or(a.Port, usualPort(a.TLS))
	if a.TLS == pop3.Plain {
		for _, key := range []string{"ca_file", "client_cert", "client_key", "min_version", "server_name"} {
			a.unset(key)
		}
		if !config.Loopback(strings.ToLower(a.Host)) && !a.has("tunnel") {
			a.insecure = true
			a.change(o, "password and mail go over the network in the clear, as before: try tls: stls or tls: implicit, and take insecure out")
		}
	}
	if !a.has("client_cert") {
		a.unset("client_key")
	}
	r.completeAuth(a, o)
	if !slices.ContainsFunc(a.targets, takesRecipient) && a.multi {
		a.unset("to")
		a.unsure = "a shared mailbox needs a target that takes recipients (smtp, lmtp or pipe)"
	}
	if len(a.targets) == 0 {
		a.targets = r.ownMaildir(a)
		if a.unsure == "" && r.Format.Name != "thunderbird" {
			a.unsure = "where its mail goes could not be carried over: look at deliver"
		}
	}
	if a.unsure != "" {
		a.Enabled = true // it says why it is not, even if it was off anyway
		a.disable(a.unsure)
	}
}

// completeAuth takes out what contradicts auth or lacks a secret.
func (r *Result) completeAuth(a *Account, o option) {
	auth, _ := a.value("auth").(config.Word)
	pass, tok := a.has("password"), a.has("token")
	bad := ""
	switch auth {
	case "":
	case "xoauth2", "oauthbearer":
		if !tok {
			bad = "needs token: or oauth: (see mailhaul login)"
		}
	case "external":
		if !a.has("client_cert") {
			bad = "needs client_cert:"
		}
		a.unset("password")
	case "gssapi":
		a.unset("password")
	default:
		if !pass {
			bad = "needs password:"
		}
	}
	if bad != "" {
		a.unset("auth")
		a.drop(option{o.file, o.line, "auth " + string(auth)}, bad)
	}
	if !pass && !tok && bad == "" && auth != "external" && auth != "gssapi" {
		a.change(o, "no password was found: set password:, or you are asked on the terminal")
	}
}

func takesRecipient(target config.Map) bool {
	return target[0].Key != "maildir" && target[0].Key != "mbox"
}
