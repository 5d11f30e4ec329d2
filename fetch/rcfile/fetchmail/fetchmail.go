// Package fetchmail reads fetchmail's configuration and its .fetchids.
package fetchmail

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads fetchmail's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "fetchmail", Find: find, Read: read, Seen: seen, Busy: busy}
}

// find returns the first fetchmailrc that fetchmail would read.
func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.Env("FETCHMAILHOME"), "fetchmailrc"), rcfile.Under(o.Env("HOME_ETC"), ".fetchmailrc"),
		rcfile.Under(o.Home, ".fetchmailrc"), "/etc/fetchmailrc")
}

func read(r *rcfile.Result, file string) error {
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	words := rcfile.Table(keywords)
	set, entries, err := parse(file, text, words)
	if err != nil {
		return err
	}
	every := globals(r, words, set)
	base := &entry{}
	for _, e := range entries {
		if e.kind == "defaults" {
			base = e
			continue
		}
		if len(e.users) == 0 {
			e.users = [][]setting{nil}
		}
		for _, u := range e.users {
			m := &merge{r: r, words: words, every: every, postmaster: postmaster(set), last: map[string]setting{}}
			m.add(file, e, u, m.options(base, e, u))
		}
	}
	if len(r.Accounts) > 0 {
		r.Note(rcfile.Changed, rcfile.Option{File: file}, "fetchmail rewrites addresses in headers unless told no rewrite; mailhaul delivers each message byte for byte")
	}
	return nil
}

// globals handles set; it returns the daemon's interval in seconds.
func globals(r *rcfile.Result, words rcfile.Rows, list []setting) (every int64) {
	home := r.Options.Env("FETCHMAILHOME")
	r.SeenFiles = []string{cmp.Or(rcfile.Under(home, ".fetchids"), rcfile.Under(r.Options.Env("HOME_ETC"), ".fetchids"), rcfile.Under(r.Options.Home, ".fetchids"))}
	r.Locks = pidFiles(r.Options)
	for _, o := range list {
		switch o.Name {
		case "idfile":
			r.SeenFiles = []string{rcfile.Absolute(o.Value, o.File)}
			r.Note(rcfile.Carried, o.Option, "import reads the seen-list from there")
		case "pidfile":
			r.Locks = []string{rcfile.Absolute(o.Value, o.File)}
			r.Note(rcfile.Carried, o.Option, "import uses it to detect a running fetchmail")
		case "daemon":
			every = o.num()
			r.Note(rcfile.Carried, o.Option, "every")
		default:
			r.Note(rcfile.Dropped, o.Option, words[o.positive()].Reason())
		}
	}
	r.SeenFiles = rcfile.NonEmpty(r.SeenFiles)
	return every
}

// postmaster is who gets the mail for nobody.
func postmaster(set []setting) string {
	name := "postmaster"
	for _, o := range set {
		if o.Name == "postmaster" && rcfile.GoodAddress(o.Value) {
			name, _, _ = strings.Cut(o.Value, "@")
		}
	}
	return name
}

// merge is one account during the import: what the options of one user say
// together.
type merge struct {
	*rcfile.Account
	r     *rcfile.Result
	words rcfile.Rows
	every int64 // seconds between polls, 0 without set daemon
	// postmaster is who gets the mail for nobody.
	postmaster string
	last       map[string]setting // the last of each option, with or without no
	// locals are the users that mail is for, by their names on the server if these are
	// others; many says that there is no single one, all that other names pass.
	locals    [][2]string
	many, all bool
	// domains and hosts are localdomains and aka.
	domains, hosts []string
}

// options returns what holds for a user, the last of an option last. Names
// given by the user replace those of defaults; other options do so by coming
// later.
func (m *merge) options(base, e *entry, user []setting) []setting {
	local := func(o setting) bool { return o.Name == "is" || o.Name == "to" }
	opts := slices.Clone(base.opts)
	if len(base.users) > 0 {
		for _, o := range base.users[0] {
			if !local(o) || o.there || !slices.ContainsFunc(user, local) {
				opts = append(opts, o)
			}
		}
	}
	return slices.Concat(opts, e.opts, user)
}

// add makes an account of an entry's user.
func (m *merge) add(file string, e *entry, own, opts []setting) {
	at := rcfile.Option{File: file, Line: e.line, Text: e.kind + " " + e.name}
	label, user := e.name, m.r.Options.User
	for _, o := range opts {
		if m.last[o.positive()] = o; o.remote() {
			user = o.maps[0][0]
		}
	}
	if len(e.users) > 1 {
		at.Line, label = own[0].Line, user+"@"+e.name
	}
	o, named := m.given("protocol")
	protocol := strings.ToLower(o.Value)
	if named && !slices.Contains([]string{"pop3", "apop", "auto"}, protocol) {
		why := map[string]string{"pop2": "import does not carry it over: write protocol: pop2", "kpop": "import does not carry it over: write auth: kpop"}
		m.r.Note(rcfile.Dropped, at, "protocol "+protocol+": "+cmp.Or(why[protocol], "mailhaul fetches by POP3 only"))
		return
	}
	m.Account = m.r.Add(label, file, at.Line)
	m.Start.Name, m.User, m.Host, m.Enabled = e.name, user, e.name, e.kind != "skip"
	if o, ok := m.given("via"); ok {
		m.Host = o.Value
	}
	for _, o := range opts {
		m.option(o)
	}
	m.finish(protocol)
	if e.kind == "skip" {
		m.Carry(at, "enabled: false")
	}
	for _, o := range opts {
		if !m.Noted(o.Option) && m.last[o.positive()].Option == o.Option {
			m.Drop(o.Option, m.words[o.positive()].Reason())
		}
	}
}

// remote reports whether the option names the user on the server.
func (o *setting) remote() bool { return o.there || o.Name == "user" && !o.here }

// given returns the last of an option, unless that has no before it.
func (m *merge) given(name string) (setting, bool) {
	o, ok := m.last[name]
	return o, ok && !o.negated()
}

// on reports whether an option was given, the last time without no.
func (m *merge) on(name string) bool {
	_, ok := m.given(name)
	return ok
}

// option handles one option of an account; what needs several is left to
// finish.
func (m *merge) option(o setting) {
	switch w, own := m.words[o.positive()], m.own(o.positive()); {
	case o.negated() && w.Is("off"):
		m.Carry(o.Option, "mailhaul does so by default")
	case o.negated() && !w.Is("both") && w.Verb != "drop": // dropped in the end
	case own != nil:
		own(o)
	default:
		w.Apply(m.Account, o.Option)
	}
}

// names handles user, is and to.
func (m *merge) names(o setting) {
	if o.remote() {
		m.Carry(o.Option, "user")
		return
	}
	for _, p := range o.maps {
		if p == [2]string{"*", ""} {
			m.many, m.all = true, true
			continue
		}
		m.locals = append(m.locals, [2]string{p[0], cmp.Or(p[1], p[0])})
		m.many = m.many || p[1] != ""
	}
	m.Carry(o.Option, "deliver")
}

// finish sets what depends on several options.
func (m *merge) finish(protocol string) {
	m.tls()
	switch protocol {
	case "apop":
		m.Set("auth", config.Word("apop"))
	case "":
		m.Change(m.Start, "the entry has no protocol: fetchmail tries IMAP first; mailhaul uses POP3")
	}
	m.passwords()
	if o, ok := m.given("plugin"); ok {
		port := cmp.Or(m.Port, rcfile.UsualPort(m.Security))
		o.Value = strings.NewReplacer("%h", rcfile.ShellQuote(m.Host), "%p", strconv.Itoa(port)).Replace(o.Value)
		rcfile.PutCommand(m.Account, o.Option, "tunnel")
	}
	if rcfile.Keep(m.Account, m.on("keep")); m.on("keep") && !m.on("uidl") {
		m.Change(m.Start, "keep without uidl relied on LAST where the server has it: then fetchmail has no list of what it fetched; see import --verify")
	}
	interval, _ := m.given("interval")
	if m.every > 0 {
		m.Set("every", rcfile.Duration(min(m.every*max(interval.num(), 1), 366*86400)))
	} else if interval.num() > 1 {
		m.Drop(interval.Option, "counts polls of a daemon, but there is no set daemon: see every")
	}
	m.deliver()
}

// tls sets the mode: ssl is implicit TLS, else STLS, which fetchmail requires
// because it checks certificates by default.
func (m *merge) tls() {
	o, given := m.given("sslproto")
	proto := strings.ToLower(o.Value)
	switch {
	case m.on("ssl"):
		m.Security = pop3.ImplicitTLS
	case given && (proto == "" || proto == "ssl2"):
		m.Security = pop3.Plain
	default:
		m.Security = pop3.STLS
		if m.on("plugin") || config.Loopback(strings.ToLower(m.Host)) {
			m.Change(m.Start, "fetchmail uses STLS here if the server offers it; if it does not, set tls: none")
		}
	}
	switch {
	case !given || m.Security == pop3.Plain || m.Noted(o.Option):
	case proto == "tls1.3" || proto == "tls1.3+":
		m.Put(o.Option, "min_version", config.Word("1.3"))
	case proto == "auto" || proto == "tls1.2" || proto == "tls1.2+":
		m.Carry(o.Option, "min_version")
	default:
		m.Drop(o.Option, rcfile.OldTLS)
	}
}

// passwords takes the password, or leaves it to netrc, as fetchmail does.
func (m *merge) passwords() {
	o, ok := m.given("password")
	if !ok && m.Has("password") { // passwordfile
		return
	}
	if !ok {
		m.Set("password", config.Pair("netrc", true))
		if m.Start.Name != m.Host {
			m.Change(m.Start, fmt.Sprintf("fetchmail looks in .netrc for machine %s and then %s, mailhaul only for %s", m.Start.Name, m.Host, m.Host))
		}
		return
	}
	m.PutSecret(o.Option, "password", o.Value)
	if o.backslash {
		m.Change(o.Option, "contains a backslash: fetchmail 6.6.7 reads some escapes in another way than older ones; check the file")
	}
}
