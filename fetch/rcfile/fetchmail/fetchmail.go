// Package fetchmail reads fetchmail's configuration and its .fetchids.
package fetchmail

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// FormatFetchmail reads fetchmail's files.
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
	f, err := parse(file, text)
	if err != nil {
		return err
	}
	every := globals(r, f.globals)
	var base *entry
	for _, e := range f.entries {
		if e.kind == "defaults" {
			base = e
			continue
		}
		users := e.users
		if len(users) == 0 {
			users = []userEntry{{line: e.line}}
			if base != nil && len(base.users) > 0 {
				users[0].line = e.line
			}
		}
		for _, u := range users {
			importAccount(r, file, e, u, base, every)
		}
	}
	if len(r.Accounts) > 0 {
		r.AddNote(rcfile.Changed, file, 0, "", "fetchmail rewrites addresses in headers unless told no rewrite; mailhaul delivers each message byte for byte")
	}
	return nil
}

// globals handles set; it returns the daemon's interval in seconds.
func globals(r *rcfile.Result, list []setting) (every int64) {
	home := r.Options.Env("FETCHMAILHOME")
	state := rcfile.Under(home, ".fetchids")
	if home == "" {
		state = rcfile.Under(r.Options.Env("HOME_ETC"), ".fetchids")
		if state == "" {
			state = rcfile.Under(r.Options.Home, ".fetchids")
		}
	}
	var pid string
	for _, o := range list {
		switch o.name {
		case "idfile":
			state = rcfile.Absolute(o.args[0], o.File)
			r.AddNote(rcfile.Carried, o.File, o.Line, o.Text, "the list of seen messages is read from there")
		case "pidfile":
			pid = rcfile.Absolute(o.args[0], o.File)
			r.AddNote(rcfile.Carried, o.File, o.Line, o.Text, "used to see whether fetchmail runs")
		case "daemon":
			every = o.num
			r.AddNote(rcfile.Carried, o.File, o.Line, o.Text, "every")
		default:
			r.AddNote(rcfile.Dropped, o.File, o.Line, o.Text, globalWhy(o.name))
		}
	}
	r.SeenFiles = rcfile.NonEmpty([]string{state})
	r.Locks = pidFiles(r.Options, pid)
	return every
}

func globalWhy(name string) string {
	switch strings.TrimPrefix(name, "no") {
	case "postmaster":
		return "mail that a target refuses goes to the quarantine Maildir and is reported, not sent to someone else"
	case "bouncemail", "spambounce", "softbounce":
		return "mailhaul never sends bounces: see on_reject"
	case "logfile", "syslog", "showdots":
		return "the log goes to stderr: see log, or let systemd or cron keep it"
	case "properties":
		return "is for scripts: fetchmail passes it over, too"
	case "invisible":
		return "no Received field is added unless headers: {received: true}"
	}
	return "has no counterpart"
}

// importAccount makes one account of an entry's user, with defaults beneath.
func importAccount(r *rcfile.Result, file string, e *entry, u userEntry, base *entry, every int64) {
	m := &merge{r: r, every: every, interval: 1, tlsProto: "auto"}
	if base != nil {
		m.opts = append(m.opts, base.opts...)
		if len(base.users) > 0 {
			m.under(base.users[0].opts, u.opts)
		}
	}
	m.opts = append(m.opts, e.opts...)
	m.opts = append(m.opts, u.opts...)
	m.host, m.user = e.name, r.Options.User
	for _, o := range m.opts {
		if o.name == "via" {
			m.host = o.args[0]
		}
	}
	a := r.Add(e.name, file, e.line)
	if len(e.users) > 1 {
		a.Line = u.line
	}
	m.a, a.Host, a.Enabled = a, m.host, e.kind != "skip"
	for _, o := range m.opts {
		m.option(o)
	}
	if m.reject != "" {
		r.Accounts = r.Accounts[:len(r.Accounts)-1]
		r.AddNote(rcfile.Dropped, file, a.Line, e.kind+" "+e.name, m.reject)
		return
	}
	if len(e.users) > 1 {
		a.Name = ""
		a.Name = r.FreeName(m.user + "@" + e.name)
	}
	a.User = m.user
	a.Seen = rcfile.SeenKey{Host: m.host, User: m.user}
	m.finish(e)
	for _, o := range m.opts {
		if !a.Noted(o.Option) && m.last[o.name].Option == o.Option {
			a.Drop(o.Option, why(o.name))
		}
	}
}

// merge collects what the options of one user say together.
type merge struct {
	r      *rcfile.Result
	a      *rcfile.Account
	opts   []setting
	reject string

	host, user      string
	every, interval int64
	locals          []string
	wild, renamed   bool
	keep, uidl      bool
	ssl             bool
	tlsProto        string
	proto           string
	envelope        string
	skip, skipped   int64 // what envelope says, and what of it holds
	password        *setting
	last            map[string]setting
}

// under adds the user options of defaults. Names given by the user replace
// those of defaults; other options do so by coming later.
func (m *merge) under(base, own []setting) {
	names := false
	for _, o := range own {
		names = names || o.name == "is" || o.name == "to"
	}
	for _, o := range base {
		if names && (o.name == "is" || o.name == "to") && !o.there {
			continue
		}
		m.opts = append(m.opts, o)
	}
}

// seen remembers the last of each option for finish.
func (m *merge) remember(o setting) {
	if m.last == nil {
		m.last = map[string]setting{}
	}
	m.last[o.name] = o
}

// finish sets what depends on several options.
func (m *merge) finish(e *entry) {
	a, start := m.a, rcfile.Option{File: m.a.File, Line: m.a.Line, Text: ""}
	m.tls()
	switch {
	case m.proto == "apop":
		a.Set("auth", config.Word("apop"))
	case m.proto == "":
		a.Change(start, "no protocol was named: fetchmail tries IMAP first; this is POP3")
	}
	m.passwords()
	m.plugin()
	if m.keep {
		a.Set("keep", config.Word("all"))
		if !m.uidl {
			a.Change(start, "keep without uidl relied on LAST where the server has it: then fetchmail has no list of what it fetched; see import --verify")
		}
	} else {
		a.Set("keep", config.Word("none"))
	}
	if m.every > 0 {
		a.Set("every", rcfile.Duration(min(m.every*max(m.interval, 1), 366*86400)))
	} else if m.interval > 1 {
		a.Drop(m.last["interval"].Option, "counts polls of a daemon, but there is no set daemon: see every")
	}
	m.deliver()
	if e.kind == "skip" {
		a.Carry(rcfile.Option{File: a.File, Line: a.Line, Text: "skip " + e.name}, "enabled: false")
	}
}

// tls decides the mode: ssl is implicit TLS, else STLS, which fetchmail
// requires because it checks certificates by default.
func (m *merge) tls() {
	a := m.a
	switch {
	case m.ssl:
		a.TLS = pop3.ImplicitTLS
	case m.tlsProto == "" || m.tlsProto == "ssl2":
		a.TLS = pop3.Plain
	default:
		a.TLS = pop3.STLS
		if _, tunnel := m.last["plugin"]; tunnel || config.Loopback(strings.ToLower(a.Host)) {
			a.Change(rcfile.Option{File: a.File, Line: a.Line, Text: ""}, "fetchmail uses STLS here if the server offers it; if it does not, set tls: none")
		}
	}
	if a.TLS != pop3.Plain {
		m.minVersion()
	}
}

func (m *merge) minVersion() {
	o := m.last["sslproto"]
	switch strings.ToLower(m.tlsProto) {
	case "tls1.3", "tls1.3+":
		m.a.Put(o.Option, "min_version", config.Word("1.3"))
	case "", "auto", "tls1.2", "tls1.2+":
		if o.name != "" {
			m.a.Carry(o.Option, "min_version")
		}
	default:
		m.a.Drop(o.Option, "TLS 1.2 is the oldest accepted: if the server has only an older one, set min_version or legacy")
	}
}

// passwords takes the password, or leaves it to netrc, as fetchmail does.
func (m *merge) passwords() {
	a := m.a
	if m.password == nil {
		a.Set("password", config.Pair("netrc", true))
		if a.Label != m.host {
			a.Change(rcfile.Option{File: a.File, Line: a.Line, Text: ""}, fmt.Sprintf("fetchmail looks in .netrc for machine %s and then %s, mailhaul only for %s", a.Label, m.host, m.host))
		}
		return
	}
	o := m.password
	m.r.Password(a, o.Option, "password", o.args[0])
	if o.backslash {
		a.Change(o.Option, "contains a backslash: fetchmail 6.6.7 reads some escapes in another way than older ones; check the file")
	}
}

// absolutePath is for files that fetchmail looks for beside its rc file.
func (m *merge) file(o setting, key string) {
	m.r.PutFile(m.a, o.Option, key, o.args[0], filepath.Dir(o.File))
}
