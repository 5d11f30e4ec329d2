// Package thunderbird reads a Thunderbird profile and its popstate.dat files.
package thunderbird

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// FormatThunderbird reads thunderbird's files.
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
		p, has := s.Get("path")
		def, _ := s.Get("default")
		switch {
		case strings.HasPrefix(s.Name, "Install") && def.Value != "":
			return rcfile.Absolute(filepath.FromSlash(def.Value), ini), nil
		case has && (dir == "" || def.Value == "1"):
			dir = rcfile.Absolute(filepath.FromSlash(p.Value), ini)
		}
	}
	if dir == "" {
		return "", rcfile.Syntax(ini, 1, "names no profile")
	}
	return dir, nil
}

// pref is one user_pref line.
type pref struct {
	value string
	line  int
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
	prefs := parsePrefs(text)
	r.Locks = []string{filepath.Join(filepath.Dir(file), "lock"), filepath.Join(filepath.Dir(file), ".parentlock"), filepath.Join(filepath.Dir(file), "parent.lock")}
	for _, acc := range strings.Split(prefs["mail.accountmanager.accounts"].value, ",") {
		key := prefs["mail.account."+strings.TrimSpace(acc)+".server"].value
		if key != "" {
			(&server{r: r, file: file, prefs: prefs, prefix: "mail.server." + key + "."}).read()
		}
	}
	return nil
}

// parsePrefs reads user_pref("NAME", VALUE); lines. Strings lose their quotes.
func parsePrefs(text string) map[string]pref {
	prefs := map[string]pref{}
	for i, line := range strings.Split(text, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "user_pref(")
		name, n := jsString(rest)
		if !ok || n == 0 {
			continue
		}
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest[n:]), ","))
		value, n := jsString(rest)
		if n == 0 {
			value, _, _ = strings.Cut(rest, ")")
			value = strings.TrimSpace(value)
		}
		prefs[name] = pref{value, i + 1}
	}
	return prefs
}

// jsString reads a string literal at the start of s and returns its length.
func jsString(s string) (string, int) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1
		case s[i] == '\\' && i+1 < len(s):
			i++
			digits := map[byte]int{'x': 2, 'u': 4}[s[i]]
			if digits > 0 && i+digits < len(s) {
				if v, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32); err == nil {
					b.WriteRune(rune(v))
					i += digits
					continue
				}
			}
			if j := strings.IndexByte("nrt", s[i]); j >= 0 {
				b.WriteByte("\n\r\t"[j])
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0
}

// server is one incoming server of a profile.
type server struct {
	r      *rcfile.Result
	a      *rcfile.Account
	file   string
	prefs  map[string]pref
	prefix string
}

func (s *server) get(names ...string) (string, rcfile.Option) {
	for _, n := range names {
		if p, ok := s.prefs[s.prefix+n]; ok && p.value != "" {
			return p.value, rcfile.Option{File: s.file, Line: p.line, Text: s.prefix + n + " = " + p.value}
		}
	}
	return "", rcfile.Option{File: s.file, Line: 0, Text: s.prefix + names[0]}
}

func (s *server) read() {
	kind, o := s.get("type")
	host, at := s.get("realhostname", "hostname")
	if kind != "pop3" {
		if kind != "none" && kind != "" {
			s.r.AddNote(rcfile.Dropped, o.File, o.Line, o.Text, host+": mailhaul fetches by POP3 only")
		}
		return
	}
	label, _ := s.get("name")
	if label == "" {
		label = host
	}
	s.a = s.r.Add(label, s.file, at.Line)
	a := s.a
	a.Host = host
	a.Carry(at, "server")
	a.User, o = s.get("realuserName", "userName")
	a.Carry(o, "user")
	if v, o := s.get("port"); v != "" {
		a.Port = rcfile.ServicePort(v)
		a.Carry(o, "server")
	}
	s.tls()
	s.auth()
	s.keep()
	s.times()
	a.Change(rcfile.Option{File: s.file, Line: a.Line, Text: ""}, "the password is in Thunderbird's own store, which is not read: set password")
	a.Change(rcfile.Option{File: s.file, Line: a.Line, Text: ""}, "Thunderbird's own folders are not written to: mail goes to a Maildir (deliver)")
	a.Seen = rcfile.SeenKey{Host: host, User: a.User, File: s.stateFile(host)}
}

// tls reads socketType: 0 none, 1 STARTTLS if offered, 2 STARTTLS, 3 TLS.
func (s *server) tls() {
	v, o := s.get("socketType")
	switch v {
	case "3":
		s.a.TLS = pop3.ImplicitTLS
	case "1", "2":
		s.a.TLS = pop3.STLS
	default:
		s.a.TLS = pop3.Plain
		if ssl, _ := s.get("isSecure"); v == "" && ssl == "true" {
			s.a.TLS = pop3.ImplicitTLS
		}
	}
	if v != "" {
		s.a.Carry(o, "tls")
	}
}

// auth reads authMethod.
func (s *server) auth() {
	switch v, o := s.get("authMethod"); v {
	case "", "2", "3", "4", "8", "9":
		if v != "" {
			s.a.Carry(o, "auth")
		}
	case "5":
		s.a.Put(o, "auth", config.Word("gssapi"))
	case "7":
		s.a.Drop(o, "auth: external wants client_cert")
	case "10":
		s.a.Drop(o, "OAuth2: set oauth: {provider: ...} and run mailhaul login")
		s.a.Unsure = "it logs in by OAuth2: see oauth and mailhaul login"
	default:
		s.a.Drop(o, "is not supported; auto takes the strongest that the server offers")
	}
}

// keep reads what stays on the server: nothing, by Thunderbird's default.
func (s *server) keep() {
	stay, o := s.get("leave_on_server")
	byAge, oAge := s.get("delete_by_age_from_server")
	days, _ := s.get("num_days_to_leave_on_server")
	n, ok := rcfile.Atoi(days)
	switch {
	case stay != "true":
		s.a.Set("keep", config.Word("none"))
	case byAge == "true" && (ok && n > 0 && n <= 36500 || days == ""):
		if days == "" {
			n = 7
		}
		s.a.Put(oAge, "keep", config.Pair("days", config.Word(strconv.FormatInt(n, 10))))
	default:
		s.a.Put(o, "keep", config.Word("all"))
	}
	if v, o := s.get("delete_mail_left_on_server"); v == "true" && stay == "true" {
		s.a.Drop(o, "mailhaul does not see that a message is deleted in a mail reader: see keep")
	}
	if v, o := s.get("headers_only"); v == "true" {
		s.a.Drop(o, "messages are fetched whole")
	}
	size1, o := s.get("max_size")
	if on, _ := s.get("limit_offline_message_size"); on == "true" {
		if n, ok := rcfile.Atoi(size1); ok && n > 0 && n < 1<<30 {
			s.a.Put(o, "max_size", rcfile.Size(n*1024))
		}
	}
}

// times reads how often mail is checked.
func (s *server) times() {
	if v, o := s.get("check_time"); v != "" {
		if n, ok := rcfile.Atoi(v); ok && n < 1<<30 {
			s.a.Seconds(o, "every", n*60)
		}
	}
}

// stateFile finds popstate.dat: directory may be from another machine, so the
// path from the profile comes first.
func (s *server) stateFile(host string) string {
	profile := filepath.Dir(s.file)
	dir := filepath.Join(profile, "Mail", host)
	if v, _ := s.get("directory-rel"); strings.HasPrefix(v, "[ProfD]") {
		dir = filepath.Join(profile, filepath.FromSlash(strings.TrimPrefix(v, "[ProfD]")))
	} else if v, _ := s.get("directory"); v != "" {
		dir = v
	}
	return filepath.Join(dir, "popstate.dat")
}
