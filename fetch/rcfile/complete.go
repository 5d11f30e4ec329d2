package rcfile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// finish makes each account one that config accepts. An account without server
// or user stays, disabled.
func (r *Result) finish() error {
	for _, a := range r.Accounts {
		if why := BadText(a.User); why != "" {
			a.User, a.Unsure = noUser, cmp.Or(a.Unsure, "its user name "+why)
		}
		switch host, err := config.ASCIIHost(a.Host); {
		case err != nil:
			a.Host, a.Unsure = noHost, cmp.Or(a.Unsure, "its server is missing or is not a host name")
		case !strings.EqualFold(host, a.Host): // an international name
			a.Host = host
		}
		r.complete(a)
	}
	return r.settle()
}

func (r *Result) complete(a *Account) {
	a.Port = cmp.Or(a.Port, UsualPort(a.Security))
	if a.Security == pop3.Plain {
		for _, key := range []string{"ca_file", "client_cert", "client_key", "min_version", "server_name"} {
			a.Unset(key)
		}
		if !config.Loopback(strings.ToLower(a.Host)) && !a.Has("tunnel") {
			a.Insecure = true
			a.Change(a.Start, "password and mail cross the network without encryption, as before: try tls: stls or tls: implicit, and remove insecure")
		}
	}
	if !a.Has("client_cert") {
		a.Unset("client_key")
	}
	a.completeAuth()
	if !slices.ContainsFunc(a.Targets, r.takesRecipients) && a.Has("to") {
		a.Unset("to")
		a.Unsure = "a shared mailbox needs a target that takes recipients (" + config.Addressees(r.Options.Targets) + ")"
	}
	if len(a.Targets) == 0 {
		a.Targets = ownMaildir(a)
		if a.Unsure == "" && r.Format.Name != "thunderbird" {
			a.Unsure = "its target could not be carried over: check deliver"
		}
	}
	if a.Unsure != "" {
		a.Enabled = true // it says why it is not, even if it was off anyway
		disable(a, a.Unsure)
	}
}

// completeAuth removes what contradicts auth or needs a missing secret.
func (a *Account) completeAuth() {
	auth, _ := a.Value("auth").(config.Word)
	need, why := "password", "needs password:"
	switch auth {
	case "", "gssapi":
		need = ""
	case "external":
		need, why = "client_cert", "needs client_cert:"
	case "xoauth2", "oauthbearer":
		need, why = "token", "needs token: or oauth: (see mailhaul login)"
		if secret, ok := a.Value("password").(config.Map); ok && secret[0].Key != "netrc" {
			a.Set("token", secret)
			a.Unset("password")
		}
	}
	noSecret := auth == "external" || auth == "gssapi"
	if noSecret {
		a.Unset("password")
	}
	switch {
	case need != "" && !a.Has(need):
		a.Unset("auth")
		a.Drop(a.Start.As("auth "+string(auth)), why)
	case !noSecret && !a.Has("password") && !a.Has("token"):
		a.Change(a.Start, "import found no password: set password:, or mailhaul asks on the terminal")
	}
}

func (r *Result) takesRecipients(target config.Map) bool {
	return slices.ContainsFunc(r.Options.Targets, func(k config.TargetKind) bool { return k.Name == target[0].Key && k.TakesRecipients() })
}
