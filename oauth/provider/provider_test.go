package provider

import (
	"slices"
	"strings"
	"testing"
)

func TestOfDomain(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "Gmail", "hotmail.co.uk": "Outlook.com", "live.fr": "Outlook.com", "outlook.com": "Outlook.com", "web.de": "WEB.DE",
		"icloud.com": "iCloud", "yahoo.com.br": "Yahoo Mail", "yahoo.co.jp": "Yahoo! Japan", "qq.com": "QQ Mail",
		"zoho.in":     "Zoho Mail (India)",
		"comcast.net": "Yahoo Mail", "cox.net": "Yahoo Mail", "tim.it": "TIM", "q.com": "Q.com",
		"rr.com": "Road Runner", "tampabay.rr.com": "Road Runner",
		// Anyone can have these.
		"hotmail.xyz": "", "live.shop": "", "x.hotmail.com": "", "live.github.io": "", "nothotmail.com": "", "example.org": "",
		"notrr.com": "",
	} {
		if p := OfDomain(domain); nameOf(p) != want {
			t.Errorf("%s: %q, want %q", domain, nameOf(p), want)
		}
	}
	for mx, want := range map[string]string{
		"outlook.com": "Microsoft 365", "mx.microsoft": "Microsoft 365", "office365.us": "Microsoft 365 (GCC High)",
		"outlook.cn": "Microsoft 365 (21Vianet)", "yahoodns.net": "Yahoo Mail",
	} {
		if p := OfExchanger(mx); nameOf(p) != want {
			t.Errorf("mx %s: %+v", mx, p)
		}
	}
}

func TestOfServer(t *testing.T) {
	for host, want := range map[string]string{
		"pop.gmail.com": "google", "POP.GMAIL.COM.": "google", "outlook.office365.com": "microsoft",
		"pop-mail.outlook.com": "microsoft-consumer", "mail.comcast.net": "comcast",
	} {
		if p := OfServer(host); p == nil || p.OAuth.Name != want {
			t.Errorf("%s: %+v", host, p)
		}
	}
	if p := OfServer("pop.example.org"); p != nil {
		t.Errorf("%+v", p)
	}
}

func nameOf(p *Provider) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// TestTable checks the form of providers.json for those who edit it.
func TestTable(t *testing.T) {
	list, err := decode[*Provider](table)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 30 {
		t.Errorf("only %d", len(list))
	}
	domains := map[string]string{}
	for _, p := range list {
		if (len(p.Servers) == 0) == (p.NoPOP3 == "") {
			t.Errorf("%s: wants servers, or the reason why there are none", p.Name)
		}
		for _, d := range slices.Concat(p.Domains, p.MX, p.Servers) {
			if d != strings.ToLower(d) {
				t.Errorf("%s: %s is not lower case", p.Name, d)
			}
		}
		for _, d := range p.Domains {
			if domains[d] != "" {
				t.Errorf("%s is of both %s and %s", d, domains[d], p.Name)
			}
			domains[d] = p.Name
		}
		if p.TokenOnly && p.OAuth == nil {
			t.Errorf("%s: no way to log in", p.Name)
		}
		if u := p.User("a@b@example.org"); p.LocalPart != (u == "a@b") {
			t.Errorf("%s: user %s", p.Name, u)
		}
	}
}

func TestPresets(t *testing.T) {
	seen := map[string]string{}
	for _, provider := range All() {
		p := provider.OAuth
		if p == nil {
			continue
		}
		for _, name := range append([]string{p.Name}, p.Aliases...) {
			if other, ok := seen[name]; ok || name != strings.ToLower(name) {
				t.Errorf("name %q of %s: also of %q, or not lower case", name, p.Name, other)
			}
			seen[name] = p.Name
			if got := OfPreset(strings.ToUpper(name)); got != provider {
				t.Errorf("OfPreset(%q) is %v", name, got)
			}
		}
		if p.Title == "" || p.TokenURL == "" || len(p.Scopes) == 0 || len(p.Flows) == 0 || p.Redirect == "" {
			t.Errorf("%s lacks something: %+v", p.Name, p)
		}
		if p.Closed && provider.Password == "" {
			t.Errorf("%s is closed without advice", p.Name)
		}
	}
	if names := Names(); len(names) != len(seen) || names[0] != "google" || !slices.Contains(names, "xfinity") {
		t.Errorf("names %v", names)
	}
}

// TestRefusals checks the form of errors.json for those who edit it.
func TestRefusals(t *testing.T) {
	list, err := decode[Refusal](refusals)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		name := r.Provider + r.Number + " " + r.Code
		if (r.Number == "") != (OfPreset(r.Provider) != nil && r.Code != "") {
			t.Errorf("%s: wants a number, or a provider of providers.json and a code", name)
		}
		var flow Flow
		if r.Flow != "" && flow.UnmarshalText([]byte(r.Flow)) != nil {
			t.Errorf("%s: no flow is called %s", name, r.Flow)
		}
		if got := RefusalOf(r.Provider, r.Number, r.Code, "... "+r.Words, flow); got != &loadRefusals()[i] {
			t.Errorf("%s: a row above answers for this one: %+v", name, got)
		}
		if !slices.Contains([]string{"", "needs-login", "denied", "expired", "temporary", "config"}, r.Kind) {
			t.Errorf("%s: no kind is called %s", name, r.Kind)
		}
		if r.Words != strings.ToLower(r.Words) {
			t.Errorf("%s: %q is not lower case", name, r.Words)
		}
		if a := r.Advice; a != "" && (a != strings.TrimSpace(a) || !strings.HasSuffix(a, ".") && !strings.HasSuffix(a, "?")) ||
			a == "" && r.Kind != "temporary" {
			t.Errorf("%s: %q is not advice in sentences", name, a)
		}
	}
	if r := RefusalOf("google", "", "invalid_grant", "Invalid JWT: ...", ServiceAccount); r == nil || r.Words == "" {
		t.Errorf("%+v", r)
	}
	if r := RefusalOf("custom", "50011", "x", "", Browser); r == nil || r.Kind != "config" {
		t.Errorf("%+v", r)
	}
	if r := RefusalOf("google", "1", "invalid_grant", "", Browser); r != nil {
		t.Errorf("%+v", r)
	}
}
