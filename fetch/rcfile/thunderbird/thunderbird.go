// Package thunderbird reads a Thunderbird profile and its popstate.dat files.
package thunderbird

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads thunderbird's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "thunderbird", Find: find, Read: read, Seen: seen, Busy: busy}
}

// find returns the default profile.
func find(o rcfile.Options) (string, error) {
	ini, err := rcfile.First(rcfile.Under(o.Home, ".thunderbird", "profiles.ini"), rcfile.Under(o.Home, "snap", "thunderbird", "common", ".thunderbird", "profiles.ini"),
		rcfile.Under(o.Home, ".var", "app", "org.mozilla.Thunderbird", ".thunderbird", "profiles.ini"),
		rcfile.Under(o.Home, "Library", "Thunderbird", "profiles.ini"), rcfile.Under(o.Env("APPDATA"), "Thunderbird", "profiles.ini"))
	if err != nil {
		return "", err
	}
	data, err := rcfile.Load(ini, rcfile.MaxConfig)
	if err != nil {
		return "", err
	}
	return defaultProfile(ini, string(data))
}

// defaultProfile reads profiles.ini: an [Install...] section names the profile
// in use; older files mark it with Default=1.
func defaultProfile(ini, text string) (string, error) {
	sections, err := rcfile.ParseINI(ini, text)
	if err != nil {
		return "", err
	}
	dir := ""
	for _, s := range sections {
		path, def := s.Get("path"), s.Get("default")
		switch {
		case strings.HasPrefix(s.Name, "Install") && def.Value != "":
			return rcfile.Absolute(filepath.FromSlash(def.Value), ini), nil
		case path.Name != "" && (dir == "" || def.Value == "1"):
			dir = rcfile.Absolute(filepath.FromSlash(path.Value), ini)
		}
	}
	if dir == "" {
		return "", rcfile.Syntax(ini, 1, "names no profile")
	}
	return dir, nil
}

// read reads a profile, given as its directory or its prefs.js.
func read(r *rcfile.Result, p string) error {
	file := p
	if st, err := os.Stat(p); err == nil && st.IsDir() {
		file = filepath.Join(p, "prefs.js")
	}
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	prefs := parsePrefs(file, text)
	for _, name := range []string{"lock", ".parentlock", "parent.lock"} {
		r.Locks = append(r.Locks, filepath.Join(filepath.Dir(file), name))
	}
	for id := range strings.SplitSeq(prefs["mail.accountmanager.accounts"].Value, ",") {
		if key := prefs["mail.account."+strings.TrimSpace(id)+".server"].Value; key != "" {
			(&server{file: file, prefs: prefs, prefix: "mail.server." + key + "."}).read(r)
		}
	}
	return nil
}

// userPref is a user_pref("NAME", VALUE); line; VALUE may be a string.
var userPref = regexp.MustCompile(`^\s*user_pref\(("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*,?\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^)]*)`)

// parsePrefs reads user_pref lines. Strings lose their quotes.
func parsePrefs(file, text string) map[string]rcfile.Option {
	prefs := map[string]rcfile.Option{}
	line := 0
	for raw := range strings.SplitSeq(text, "\n") {
		line++
		if m := userPref.FindStringSubmatch(raw); m != nil {
			name, value := jsString(m[1]), jsString(strings.TrimSpace(m[2]))
			prefs[name] = rcfile.Option{File: file, Line: line, Name: name, Value: value, Text: name + " = " + value}
		}
	}
	return prefs
}

// jsEscape is an escape in a string literal.
var jsEscape = regexp.MustCompile(`(?s)\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)`)

// jsString is what a string literal stands for; another value stays as it is.
func jsString(s string) string {
	if n := len(s); n < 2 || s[0] != s[n-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	return jsEscape.ReplaceAllStringFunc(s[1:len(s)-1], func(e string) string {
		if v, err := strconv.ParseUint(e[2:], 16, 32); err == nil {
			return string(rune(v))
		}
		if i := strings.IndexByte("nrt", e[1]); i >= 0 {
			return "\n\r\t"[i : i+1]
		}
		return e[1:]
	})
}

// server is one incoming server of a profile.
type server struct {
	*rcfile.Account
	file   string
	prefs  map[string]rcfile.Option
	prefix string
}

// get returns the first of the server's settings that is not empty.
func (s *server) get(names ...string) rcfile.Option {
	for _, n := range names {
		if o := s.prefs[s.prefix+n]; o.Value != "" {
			return o
		}
	}
	return rcfile.Option{File: s.file, Text: s.prefix + names[0]}
}

func (s *server) on(name string) bool { return s.get(name).Value == "true" }

func (s *server) read(r *rcfile.Result) {
	kind, host := s.get("type"), s.get("realhostname", "hostname")
	if kind.Value != "pop3" {
		if kind.Value != "none" && kind.Value != "" {
			r.Note(rcfile.Dropped, kind, host.Value+": mailhaul fetches by POP3 only")
		}
		return
	}
	s.Account = r.Add(cmp.Or(s.get("name").Value, host.Value), s.file, host.Line)
	s.Host = host.Value
	s.Carry(host, "server")
	user := s.get("realuserName", "userName")
	s.User = user.Value
	s.Carry(user, "user")
	if o := s.get("port"); o.Value != "" {
		s.Port = rcfile.Port(o.Value)
		s.Carry(o, "server")
	}
	s.tls()
	s.auth()
	s.keep()
	s.limits()
	s.Change(s.Start, "Thunderbird keeps the password in its own store, which import does not read: set password")
	s.Change(s.Start, "mailhaul does not write to Thunderbird's folders: mail goes to a Maildir (deliver)")
	s.SeenFile = s.seenFile()
}

// tls reads socketType: 0 none, 1 STARTTLS if offered, 2 STARTTLS, 3 TLS.
func (s *server) tls() {
	o := s.get("socketType")
	switch {
	case o.Value == "3", o.Value == "" && s.on("isSecure"):
		s.Security = pop3.ImplicitTLS
	case o.Value == "1", o.Value == "2":
		s.Security = pop3.STLS
	default:
		s.Security = pop3.Plain
	}
	if o.Value != "" {
		s.Carry(o, "tls")
	}
}

// auth reads authMethod.
func (s *server) auth() {
	switch o := s.get("authMethod"); o.Value {
	case "":
	case "7":
		s.Drop(o, "auth: external wants client_cert")
	case "10":
		s.Drop(o, "OAuth2: set oauth: {provider: ...} and run mailhaul login")
		s.Unsure = "it logs in with OAuth2: see oauth and mailhaul login"
	default:
		rcfile.Auth(s.Account, o, "2= 3= 4= 8= 9= 5=gssapi")
	}
}

// keep reads what stays on the server: nothing, by Thunderbird's default.
func (s *server) keep() {
	stay, byAge := s.on("leave_on_server"), s.get("delete_by_age_from_server")
	days, ok := rcfile.Int(cmp.Or(s.get("num_days_to_leave_on_server").Value, "7"))
	switch {
	case !stay:
		rcfile.Keep(s.Account, false)
	case byAge.Value == "true" && ok && days > 0 && days <= 36500:
		rcfile.KeepDays(s.Account, byAge, days)
	default:
		s.Put(s.get("leave_on_server"), "keep", config.Word("all"))
	}
	if stay && s.on("delete_mail_left_on_server") {
		s.Drop(s.get("delete_mail_left_on_server"), "mailhaul does not notice when you delete a message in a mail reader: see keep")
	}
	if s.on("headers_only") {
		s.Drop(s.get("headers_only"), "mailhaul fetches whole messages")
	}
}

// limits reads the largest message and how often mail is checked.
func (s *server) limits() {
	o := s.get("max_size")
	if n, ok := rcfile.Int(o.Value); ok && n > 0 && n < 1<<30 && s.on("limit_offline_message_size") {
		s.Put(o, "max_size", rcfile.Size(n*1024))
	}
	o = s.get("check_time")
	if n, ok := rcfile.Int(o.Value); ok && n < 1<<30 {
		rcfile.PutSeconds(s.Account, o, "every", n*60)
	}
}

// seenFile finds popstate.dat: directory may be from another machine, so the
// path from the profile comes first.
func (s *server) seenFile() string {
	profile := filepath.Dir(s.file)
	if rel, ok := strings.CutPrefix(s.get("directory-rel").Value, "[ProfD]"); ok {
		return filepath.Join(profile, filepath.FromSlash(rel), "popstate.dat")
	}
	return filepath.Join(cmp.Or(s.get("directory").Value, filepath.Join(profile, "Mail", s.Host)), "popstate.dat")
}
