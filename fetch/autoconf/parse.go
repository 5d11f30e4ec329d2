package autoconf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// The elements of config-v1.1.xml that matter here.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Provider struct {
		Display string        `xml:"displayName"`
		Servers []incoming    `xml:"incomingServer"`
		Enable  []instruction `xml:"enable"`
		Docs    []instruction `xml:"documentation"`
	} `xml:"emailProvider"`
	OAuth struct {
		Issuer   string `xml:"issuer"`
		Scope    string `xml:"scope"`
		AuthURL  string `xml:"authURL"`
		TokenURL string `xml:"tokenURL"`
	} `xml:"oAuth2"`
}

type incoming struct {
	Type   string   `xml:"type,attr"`
	Host   string   `xml:"hostname"`
	Port   string   `xml:"port"`
	Socket string   `xml:"socketType"`
	User   string   `xml:"username"`
	Auth   []string `xml:"authentication"`
}

type instruction struct {
	URL   string `xml:"visiturl,attr"`
	Page  string `xml:"url,attr"`
	Texts []struct {
		Lang string `xml:"lang,attr"`
		Text string `xml:",chardata"`
	} `xml:"instruction"`
	Descr []struct {
		Lang string `xml:"lang,attr"`
		Text string `xml:",chardata"`
	} `xml:"descr"`
}

// parse reads a settings file and proposes its best POP3 server: TLS from the
// start, then STLS, then one that names none, of which STLS is asked. A file
// without one is ErrNotFound.
func parse(data []byte, who person) (*Proposal, error) {
	var f clientConfig
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	dec.CharsetReader = westEuropean
	if err := dec.Decode(&f); err != nil {
		return nil, errors.New("not a settings file")
	}
	var best *Proposal
	rank := len(sockets)
	for _, s := range f.Provider.Servers {
		r, known := sockets[strings.ToLower(strings.TrimSpace(s.Socket))]
		if !strings.EqualFold(strings.TrimSpace(s.Type), "pop3") || !known || r >= rank {
			continue
		}
		if p := s.proposal(who); p != nil {
			best, rank = p, r
		}
	}
	if best == nil {
		return nil, ErrNotFound
	}
	best.Provider = shown(f.Provider.Display, 80)
	best.Links = links(append(f.Provider.Enable, f.Provider.Docs...))
	if f.OAuth.AuthURL != "" && safeURL(f.OAuth.AuthURL) && safeURL(f.OAuth.TokenURL) {
		best.OAuth = &OAuth{Issuer: shown(f.OAuth.Issuer, 200), AuthURL: f.OAuth.AuthURL, TokenURL: f.OAuth.TokenURL,
			Scopes: strings.Fields(shown(f.OAuth.Scope, 500))}
	}
	return best, nil
}

// westEuropean decodes files that are not declared as UTF-8: old files are in
// ISO-8859-1 or a subset of it. Only a provider's own name can contain such letters.
func westEuropean(_ string, in io.Reader) (io.Reader, error) {
	data, err := io.ReadAll(in)
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return strings.NewReader(string(runes)), err
}

// sockets are the kinds of TLS, the best first.
var sockets = map[string]int{"ssl": 0, "starttls": 1, "plain": 2}

// proposal is the proposal in a server element; nil if it is invalid.
func (s *incoming) proposal(who person) *Proposal {
	port, err := strconv.Atoi(strings.TrimSpace(s.Port))
	host := strings.ToLower(who.fill(strings.TrimSpace(s.Host)))
	if err != nil || port < 1 || port > 65535 || !validHost(host) {
		return nil
	}
	p := &Proposal{Host: host, Port: port, User: who.fill(strings.TrimSpace(s.User))}
	if !strings.EqualFold(strings.TrimSpace(s.Socket), "ssl") {
		p.TLS = STLS
	}
	if p.User == "" || len(p.User) > 320 || strings.ContainsFunc(p.User, unicode.IsControl) || placeholder.MatchString(p.User) {
		p.User = who.address
	}
	for _, a := range s.Auth {
		if way, ok := ways[strings.TrimSpace(a)]; ok {
			p.Auth = append(p.Auth, way)
		}
	}
	return p
}

// placeholder matches placeholders that have no value here, such as %REALNAME%.
var placeholder = regexp.MustCompile(`%[A-Z]+%|\$\{`)

// ways are the authentication elements; password-encrypted is a password too.
var ways = map[string]Auth{
	"password-cleartext": Password, "plain": Password, "password-encrypted": Password, "secure": Password,
	"OAuth2": OAuth2, "GSSAPI": Kerberos, "TLS-client-cert": Certificate,
}

// fill replaces the placeholders.
func (w person) fill(s string) string {
	return strings.NewReplacer("%EMAILADDRESS%", w.address, "%EMAILLOCALPART%", w.local, "%EMAILDOMAIN%", w.domain).Replace(s)
}

// links are the pages that a file points to, in English if it has that.
func links(list []instruction) (out []Link) {
	for _, in := range list {
		l := Link{URL: in.URL + in.Page}
		if in.URL != "" && in.Page != "" || !safeURL(l.URL) || len(out) == 3 {
			continue
		}
		for _, t := range append(in.Texts, in.Descr...) {
			if l.Text == "" || t.Lang == "en" {
				l.Text = shown(t.Text, 200)
			}
		}
		out = append(out, l)
	}
	return out
}

// safeURL accepts what a person may open: an https address of printable ASCII.
func safeURL(s string) bool {
	u, err := url.Parse(s)
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && len(s) < 500 && !strings.ContainsFunc(s, odd)
}

// shown makes text fit for one line of a terminal.
func shown(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
