package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// logins are those of a configuration while it is read.
type logins struct {
	all    []*OAuth        // with a name of their own
	blocks map[string]bool // those of targets without one, by what they are called
	uses   map[Target]loginUse
	inUse  map[*OAuth]bool   // named ones of enabled accounts
	acting map[string]*OAuth // what one user or account has of a named one
}

func newLogins() logins {
	return logins{blocks: map[string]bool{}, uses: map[Target]loginUse{}, inUse: map[*OAuth]bool{}, acting: map[string]*OAuth{}}
}

// keyPrefix begins the key of a named login's tokens, as no account's name can.
const keyPrefix = "login:"

// OAuthRow is the row of a target's login with OAuth2.
func OAuthRow(field **OAuth) Row {
	in := login()
	in.inner = nil // the manual has it once, with the account's
	return On("oauth", "", "how to get OAuth2 access tokens: a name under logins, or a mapping as oauth of an account", in, field)
}

// login decodes the name of a login, or a mapping for a place of its own.
func login() Kind[*OAuth] {
	own := pointer(oauthMapping())
	own.words, own.schema = "the name of a login, or a mapping", loginSchema
	in := info{words: own.words, schema: fixed(schema{"type": "string"})}
	named := Kind[*OAuth]{in, func(w *walker, path string, n *yaml.Node) (*OAuth, bool) {
		name, ok := w.text(path, n, own.words)
		if !ok {
			return nil, false
		}
		i := slices.IndexFunc(w.logins.all, func(o *OAuth) bool { return o.Login == name })
		if i < 0 {
			known := make([]string, len(w.logins.all))
			for i, o := range w.logins.all {
				known[i] = o.Login
			}
			w.errorf(n, path, "logins: has no login of this name%s", DidYouMean(name, known))
			return nil, false
		}
		return w.logins.all[i], true
	}}
	k := either(named, own)
	decode := k.decode
	k.decode = func(w *walker, path string, n *yaml.Node) (*OAuth, bool) {
		if w.untrusted {
			w.errorf(n, path, "is a login of this machine, and %s is not trusted: it may bring a password or token", w.file)
			return nil, false
		}
		return decode(w, path, n)
	}
	return k
}

// loginSchema is for a mapping that describes a login.
var loginSchema = fixed(schema{"$ref": "#/$defs/login"})

func loginsRow(c *Config) Row {
	of := oauthMapping()
	return Row{name: "logins", doc: "OAuth2 logins by name, each with the keys of oauth, for oauth of accounts and targets",
		info: info{words: "a mapping of logins", schema: fixed(schema{"type": "object", "additionalProperties": loginSchema()})},
		set: func(w *walker, path string, n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				w.wants(n, path, "a mapping of logins: each name with its keys")
				return
			}
			w.named(path, n, "a login", func(name, at string, body *yaml.Node) {
				o, _ := of.decode(w, at, body)
				if i := slices.IndexFunc(w.logins.all, func(l *OAuth) bool { return strings.EqualFold(l.Login, name) }); i >= 0 {
					m, _ := w.marks.get(at)
					w.errorf(m.key, at, "differs from %s only in capital letters, and some file systems keep the tokens of both in one file: "+
						"give it another name", join(path, w.logins.all[i].Login))
				}
				o.Login, o.Key = name, keyPrefix+name
				o.checkFiles(Place{w: w, path: at, node: body}, "")
				w.logins.all = append(w.logins.all, &o)
			})
			c.Logins = slices.Clone(w.logins.all)
		}}
}

// checkFiles looks at the files that are named below a key.
func (o *OAuth) checkFiles(k keyed, below string) {
	checkSecret(k, below+"client_secret", o.ClientSecret)
	checkFile(k, below+"certificate", o.Certificate)
	checkFile(k, below+"key", o.Key)
	checkFile(k, below+"service_account", o.ServiceAccount)
}

// finishLogins completes the logins and all that use them. Those of disabled accounts
// come last: they must not change what a login of enabled ones asks for.
func (w *walker) finishLogins(c *Config) {
	w.joinAll(c, true)
	w.joinAll(c, false)
	for i, o := range w.logins.all {
		o.resolve()
		for _, a := range c.Accounts {
			if a.Name == o.Login && a.OAuth != nil && a.OAuth.Key == a.Name {
				at, _ := w.marks.get(join("logins", o.Login))
				w.errorf(at.key, at.path, "has the name of an account with a login of its own: give it another name")
			}
		}
		for _, acting := range w.logins.acting {
			if acting.Login == o.Login && strings.HasPrefix(acting.Key, o.Key+"/") && (c.Logins[i] == o || acting.Key < c.Logins[i].Key) {
				c.Logins[i] = acting // any one shows whether the login works
			}
		}
	}
}

// targetUses are what targets use a login for; their kinds have the same words.
var targetUses = []provider.Use{provider.IMAP, provider.SMTP, provider.GmailAPI, provider.JMAP}

// Login completes the login of a target with the keys of r: it is used for what the
// kind of the target says. A target of one's own table calls it in its Check.
func (p Place) Login(r *Remote) {
	if r.OAuth == nil {
		return
	}
	kind := p.path[strings.LastIndexByte(p.path, '.')+1:]
	owner, _, _ := strings.Cut(strings.TrimPrefix(p.path, "accounts."), ".deliver[")
	use := provider.SMTP // also of lmtp
	if i := slices.IndexFunc(targetUses, func(u provider.Use) bool { return u.String() == kind }); i >= 0 {
		use = targetUses[i]
	}
	if r.OAuth.Key == "" {
		name := owner + "/" + kind
		if p.w.logins.blocks[name] {
			p.Errorf("oauth", "is the second login for %s targets of %s: give it a name under logins:", kind, owner)
		}
		p.w.logins.blocks[name] = true
		r.OAuth = r.OAuth.as(name)
	}
	p.w.logins.uses[p.target] = loginUse{r, use}
}

// loginUse is what a target uses the login of its remote for.
type loginUse struct {
	r   *Remote
	use provider.Use
}

// as is a copy, which others through defaults do not share, with a name of its own.
func (o OAuth) as(name string) *OAuth {
	o.Login, o.Key = name, name
	return &o
}

// joinAll completes the logins that the enabled accounts use, or the disabled ones.
func (w *walker) joinAll(c *Config, enabled bool) {
	for _, a := range c.Accounts {
		if a.Enabled != enabled {
			continue
		}
		for _, t := range a.Deliver {
			if u, ok := w.logins.uses[t]; ok {
				u.r.OAuth = w.join(a, u.r.OAuth, u.r, u.use, 0)
				delete(w.logins.uses, t) // accounts may share it through defaults
			}
		}
		if a.OAuth != nil {
			a.OAuth = w.join(a, a.OAuth, &a.Remote, provider.POP, a.Helper)
		}
	}
}

// join completes a login for a server of an account that uses it. The login of several
// is reached, and verified, as it is for the first that says how. Helper bounds its
// commands.
func (w *walker) join(a *Account, o *OAuth, r *Remote, use provider.Use, helper time.Duration) *OAuth {
	switch {
	case !strings.HasPrefix(o.Key, keyPrefix):
		o.Subject = cmp.Or(o.Subject, r.User)
	case a.Enabled:
		w.logins.inUse[o] = true
	case w.logins.inUse[o]:
		o = w.apart(a, o, use)
	}
	if strings.HasPrefix(o.Key, keyPrefix) && o.Flow == provider.ServiceAccount && o.Subject == "" && r.User != "" {
		o = w.actingFor(o, r.User)
	}
	o.LoginHint = cmp.Or(o.LoginHint, r.User)
	// An authority that was meant for one's own mail server must not vouch for
	// Google; whoever runs their own provider has one authority for both.
	if o.Custom() {
		o.CAFile = cmp.Or(o.CAFile, r.TLS.CAFile)
	}
	if o.Via == nil {
		o.Via = r.Route.Proxy
	}
	if !slices.Contains(o.Uses, use) {
		o.Uses = append(slices.Clip(o.Uses), use)
	}
	o.KeyringLimit = max(o.KeyringLimit, helper)
	if o.Secret == nil {
		o.ClientSecret = o.ClientSecret.Bind(r.Server.Host, r.User)
	}
	o.resolve()
	return o
}

// resolve lets Secret be what the configuration says.
func (o *OAuth) resolve() {
	if o.ClientSecret = o.ClientSecret.Within(o.KeyringLimit); !o.ClientSecret.IsZero() {
		o.Secret = o.ClientSecret.Resolve
	}
}

// apart is a login of enabled accounts as a disabled one uses it. A person who logs in
// by its name is asked for what all of them need; the tokens are the same.
func (w *walker) apart(a *Account, o *OAuth, use provider.Use) *OAuth {
	key := a.Name + " " + o.Key
	if w.logins.acting[key] == nil {
		c := *o
		if c.Login = a.Name; use != provider.POP {
			c.Login += "/" + use.String()
		}
		w.logins.acting[key] = &c
	}
	return w.logins.acting[key]
}

// actingFor is a service account's login for one user: each has tokens of its own.
func (w *walker) actingFor(o *OAuth, user string) *OAuth {
	key := o.Key + "/" + user
	at := o.Login + " " + key
	if w.logins.acting[at] == nil {
		c := *o
		c.Subject, c.Key = user, key
		w.logins.acting[at] = &c
	}
	return w.logins.acting[at]
}
