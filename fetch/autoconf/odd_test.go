package autoconf

import (
	"strings"
	"testing"
)

// TestOddDocuments are settings files as providers have them.
func TestOddDocuments(t *testing.T) {
	const good = `<?xml version="1.0" encoding="UTF-8"?><clientConfig><emailProvider id="x"><displayName>Ex</displayName>` +
		`<incomingServer type="pop3">` +
		`<hostname>pop.example.org</hostname><port>995</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>` +
		`</emailProvider></clientConfig>`
	for name, change := range map[string][]string{
		"as it should be": {"Ex", "Ex"},
		"ISO-8859-1":      {"UTF-8", "ISO-8859-1", "Ex", "T\xe9l\xe9"},
		"us-ascii":        {"UTF-8", "us-ascii"},
		"byte order mark": {"<?xml", "\ufeff<?xml"},
		"white space":     {"SSL", "\n SSL ", "995", " 995\n"},
		"capitals":        {`"pop3"`, `"POP3"`},
		"placeholder":     {"%EMAILADDRESS%", "%REALNAME%"},
		"shell":           {"%EMAILADDRESS%", "${USER}"},
	} {
		p, err := parse([]byte(strings.NewReplacer(change...).Replace(good)), person{"a@example.org", "a", "example.org"})
		if err != nil || p.Host != "pop.example.org" || p.Port != 995 || p.TLS != Implicit || p.User != "a@example.org" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if err == nil && name == "ISO-8859-1" && p.Provider != "Télé" {
			t.Errorf("name %q", p.Provider)
		}
	}
}
