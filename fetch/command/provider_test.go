package command

import (
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/oauth"
)

func TestProviderOf(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "Gmail", "hotmail.co.uk": "Outlook.com", "live.fr": "Outlook.com", "outlook.com": "Outlook.com", "web.de": "WEB.DE",
		"icloud.com": "iCloud", "yahoo.com.br": "Yahoo Mail",
		// Anyone can have these.
		"hotmail.xyz": "", "live.shop": "", "x.hotmail.com": "", "live.github.io": "", "nothotmail.com": "", "example.org": "",
	} {
		if p, _ := providerOf(domain); p.name != want {
			t.Errorf("%s: %q, want %q", domain, p.name, want)
		}
	}
	if p, ok := providerOfExchanger("outlook.com"); !ok || p.name != "Microsoft 365" {
		t.Errorf("mx: %+v", p)
	}
	if p, ok := providerOfHost("POP.gmail.com"); !ok || p.name != "Gmail" {
		t.Errorf("host: %+v", p)
	}
}

func TestProvidersAreSound(t *testing.T) {
	seen := map[string]string{}
	list := providers()
	if len(list) < 30 {
		t.Errorf("only %d", len(list))
	}
	for _, p := range list {
		if (p.host == "") == (p.noPOP == "") {
			t.Errorf("%s: wants a host or the reason why there is none", p.name)
		}
		for _, d := range append(p.domains, p.mx...) {
			if d != strings.ToLower(d) {
				t.Errorf("%s: %s", p.name, d)
			}
		}
		for _, d := range p.domains {
			if seen[d] != "" {
				t.Errorf("%s is of both %s and %s", d, seen[d], p.name)
			}
			seen[d] = p.name
		}
		if p.tokenOnly && p.oauth == "" {
			t.Errorf("%s: no way to log in", p.name)
		}
		if _, ok := oauth.Find(p.oauth); p.oauth != "" && !ok {
			t.Errorf("%s: no preset %s", p.name, p.oauth)
		}
		if u := p.user("a@b@example.org"); p.localPart && u != "a@b" || !p.localPart && u != "a@b@example.org" {
			t.Errorf("%s: user %s", p.name, u)
		}
	}
}
