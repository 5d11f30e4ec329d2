package rcfile

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// finish makes each account one that config accepts, and drops those that
// cannot be.
func (r *Result) finish() {
	ids := map[string]string{}
	r.Accounts = slices.DeleteFunc(r.Accounts, func(a *Account) bool {
		why := ""
		switch {
		case !validHost(a.Host):
			why = "its server is missing or is not a host name"
		case badText(a.User) != "":
			why = "its user name " + badText(a.User)
		}
		if why == "" {
			r.complete(a, ids)
			return false
		}
		r.note(Dropped, a.File, a.Line, "account "+a.Label, why)
		for _, n := range a.Notes {
			if n.Kind == Dropped && n.Option == "" {
				r.Notes = append(r.Notes, n) // it says what is missing
			}
		}
		r.Secrets = slices.DeleteFunc(r.Secrets, func(s SecretFile) bool {
			return strings.HasPrefix(s.Path, filepath.Join(r.opts.SecretDir, a.Name+"."))
		})
		return true
	})
}

func (r *Result) complete(a *Account, ids map[string]string) {
	o := option{file: a.File, line: a.Line}
	a.Port = cmp.Or(a.Port, usualPort(a.TLS))
	if a.TLS == config.TLSNone {
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
		a.targets = []config.Map{config.Pair("maildir", "~/Mail/"+a.Name)}
		if a.unsure == "" && r.Format != "thunderbird" {
			a.unsure = "where its mail goes could not be carried over: look at deliver"
		}
	}
	if a.unsure != "" {
		a.Enabled = false
		a.change(o, "is not enabled: "+a.unsure)
	}
	id := strings.ToLower(a.Host) + "\x00" + a.User + "\x00" + strconv.Itoa(a.Port)
	if first, ok := ids[id]; ok {
		a.set("id", a.Name)
		a.change(o, "is the same maildrop as "+first+", so it has an id of its own: each message is fetched once for each of the two")
	} else {
		ids[id] = a.Name
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
