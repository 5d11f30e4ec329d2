package setup

import "testing"

func TestNearDomain(t *testing.T) {
	for domain, want := range map[string]string{
		"gmal.com": "gmail.com", "gmial.com": "gmail.com", "gmaill.com": "gmail.com", "gnail.com": "gmail.com",
		"gmail.con": "gmail.com", "gmial.cmo": "gmail.com", "gmail.co": "gmail.com", "gmai.com": "gmail.com",
		"hotmial.com": "hotmail.com", "hotmal.fr": "hotmail.fr", "hotmail.con": "hotmail.com", "outlok.com": "outlook.com",
		"yahooo.com": "yahoo.com", "yaho.co.uk": "yahoo.co.uk", "icluod.com": "icloud.com", "wbe.de": "web.de",
		"t-onlin.de": "t-online.de", "tonline.de": "t-online.de", "protonmial.con": "protonmail.com",
		// Providers themselves, and others.
		"gmail.com": "", "mail.com": "", "email.com": "", "hotmail.fr": "", "yahoo.co.uk": "", "gmx.net": "", "a.com": "", "in.nl": "",
		"example.org": "", "mycompany.com": "", "gmail.example": "", "orange.es": "", "tiscali.de": "", "xn--bcher-kva.example": "",
	} {
		if got := nearDomain(domain); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}
