package command

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// refuses answers each APPEND with this.
func refuses(text string) *imapFault {
	return &imapFault{every: true, before: func(p *proxied, tag string) { p.say("%s %s", tag, text) }}
}

// TestIMAPFaults: whatever goes wrong at an APPEND, the run ends with the status of that, says
// what it was, and deletes nothing that has not arrived. Then, without the fault, each
// message is there once.
func TestIMAPFaults(t *testing.T) {
	t.Parallel()
	drops := func(p *proxied, _ string) { p.end() }
	unsaid := func(p *proxied, _ string) bool { p.end(); return true }
	tests := map[string]struct {
		fault *imapFault
		code  int
		says  string
	}{
		"NO before +":  {refuses("NO no"), 75, "APPEND: NO no"},
		"BAD before +": {refuses("BAD Command Argument Error. 11"), 75, "Command Argument Error"},
		"NO in the literal": {&imapFault{every: true, half: func(p *proxied, tag string) { p.say("%s NO no", tag) }}, 75,
			"APPEND: NO no"},
		"lost before +":       {&imapFault{before: drops}, 0, ""},
		"lost in the literal": {&imapFault{half: drops}, 0, ""},
		"lost before OK":      {&imapFault{stored: unsaid}, 0, ""},
		"lost each time":      {&imapFault{half: drops, every: true}, 75, "connection closed by the server"},
		"lost behind OK": {&imapFault{stored: func(p *proxied, reply string) bool {
			p.say("%s",
				reply[:len(reply)-2])
			p.end()
			return true
		}}, 0, ""},
		"OK without APPENDUID": {&imapFault{every: true, stored: func(p *proxied,
			r string) bool {
			p.say("%s OK", strings.Fields(r)[0])
			return true
		}}, 0, ""},
		"UIDVALIDITY changed": {&imapFault{stored: func(p *proxied, _ string) bool {
			p.imapProxy.mu.Lock()
			p.validity++
			p.imapProxy.mu.Unlock()
			p.end()
			return true
		}}, 0, ""},
		"TRYCREATE": {&imapFault{before: func(p *proxied, tag string) { p.say("%s NO [TRYCREATE] no such mailbox", tag) }}, 0, ""},
		"OVERQUOTA": {refuses("NO [OVERQUOTA] mailbox is full"), 75, "make room there"},
		"LIMIT":     {refuses("NO [LIMIT] too many"), 75, "APPEND: NO [LIMIT] too many"},
		"backoff":   {refuses("NO Request is throttled. Suggested Backoff Time: 1 milliseconds"), 75, "a pause of"},
		"BYE": {&imapFault{every: true, half: func(p *proxied, _ string) {
			p.say("* BYE [UNAVAILABLE] Session " +
				"expired")
			p.end()
		}}, 75, "Session expired"},
		"no right": {refuses("NO [NOPERM] not yours"), 73, "may not add messages there"},
		"too big":  {refuses("NO [TOOBIG] 10 octets"), 65, "quarantine"},
		"CANNOT":   {refuses("NO [CANNOT] not in this mailbox"), 73, "set another `mailbox`"},
		"silent":   {&imapFault{every: true, half: func(*proxied, string) {}}, 75, "no answer in time"},
	}
	for name, tt := range tests {
		for _, literals := range []imap.Cap{imap.CapLiteralPlus, imap.CapLiteralMinus} {
			t.Run(name+" "+string(literals), func(t *testing.T) {
				t.Parallel()
				p := startIMAPProxy(t, literals, tt.fault)
				var messages [][]byte
				for i, m := range letters(3) {
					messages = append(messages, append(m, strings.Repeat("A line of a message that waits for the server.\r\n", 200*i)...))
				}
				drop := dropOf(messages)
				o := pop3test.Options{Security: pop3test.Plain}
				l := newLab(t)
				l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice",
					"password: "+password, "keep: none",
					"deliver:\n  - imap: {user: alice, password: "+password+", server: "+p.addr+", tls: none, timeout: "+
						map[bool]string{true: "1s", false: "5s"}[name == "silent"]+"}"))))
				out := l.run("fetch")
				l.want(out, tt.code)
				if text := strings.Join(strings.Fields(out.out+out.err), " "); !strings.Contains(text, tt.says) {
					t.Errorf("does not say %q: %v", tt.says, out)
				}
				if tt.says == "quarantine" {
					return
				}
				p.once(t, messages, drop, tt.code == 0)
				p.mu.Lock()
				p.fault = nil
				p.mu.Unlock()
				l.want(l.run("fetch"), 0)
				p.once(t, messages, drop, true)
			})
		}
	}
}

// once checks that no message is there twice, and that each is there or still on the server
// that it comes from; all of them if complete.
func (p *imapProxy) once(t *testing.T, messages [][]byte, drop *pop3test.Maildrop, complete bool) {
	t.Helper()
	kept := p.kept(t)
	missing := 0
	for i, m := range messages {
		n := len(slices.DeleteFunc(slices.Clone(kept), func(s string) bool { return s != string(bytes.ReplaceAll(m, []byte("\r"), nil)) }))
		if n > 1 {
			t.Errorf("message %d is there %d times", i, n)
		}
		if n == 0 {
			missing++
		}
	}
	if missing > drop.Len() {
		t.Errorf("%d messages are missing, %d are left", missing, drop.Len())
	}
	if complete && missing+drop.Len() > 0 {
		t.Errorf("%d messages are missing and %d are left, want none", missing, drop.Len())
	}
}
