package advice

import (
	"cmp"
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/deliver/jmap"
	"github.com/mailhaul/mailhaul/deliver/web"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// jmapRows are for mailboxes of JMAP servers. They come before the rows for servers.
func jmapRows() []row {
	return []row{of(func(e *jmap.Error, at Situation) string {
		text := jmapTexts[e.Cause]
		if e.Cause == jmap.OtherHost {
			text = "No login was sent there. If " + e.Host + " belongs to your provider: a redirect wants it as `server`, a name in the " +
				"session wants it in `hosts` of the target."
		}
		return ofRequest(e, at, otherSide, "Its server", text, e.Pause)
	})}
}

// ofRequest is the advice on a failed request of a target: text, or what is known of the way
// to the server, behind a pause that who wants.
func ofRequest(e error, at Situation, side, who, text string, pause time.Duration) string {
	at.target = true
	if way, ok := errors.AsType[*web.Error](e); ok && text == "" {
		text = cmp.Or(firstOf(networkRows(), e, at), firstOf(tokenRows(), e, at), webTexts[way.Cause])
	}
	if text != "" && pause > 0 {
		text = who + " wants a pause of " + ledger.Brief(pause) + ". " + text
	}
	if text == "" {
		return ""
	}
	return side + text
}

// webTexts are for requests without an answer.
var webTexts = map[web.Cause]string{
	web.Unreachable: "Is its server up, and are name and port right?",
	web.Untrusted:   "Its certificate is not trusted: set `ca_file`, `server_name` or `pin` of the target. No login was sent.",
	web.Lost:        "The connection broke. " + tryLater,
	web.Silent:      "Its server did not answer in time. " + tryLater,
	web.NoLogin: "Its server refused the login, or there is none to send: is the token of the target right and not revoked, and may it " +
		"write mail?",
}

var jmapTexts = map[jmap.Cause]string{
	jmap.NotJMAP: "What answers there is no JMAP server, or breaks the protocol: is that the server's name (api.fastmail.com for " +
		"Fastmail), and its port?",
	jmap.NoMail: "The login has no mail there by JMAP: does its token have the scope for mail " +
		"(urn:ietf:params:jmap:mail)?",
	jmap.LoginRefused: "Its server refused the login: is the token of the target right and not revoked, and may it write mail? " +
		"Too many wrong tries lock an account: check before you try again.",
	jmap.MailboxRefused: "Its server has no such mailbox and does not make one: name another `mailbox`, by role (inbox, archive) or by name.",
	jmap.NoRight:        "The login may not add messages there: name another `mailbox`, or use a token that is not read-only.",
	jmap.Quota:          "It is full: make room there. " + fromElsewhere,
	jmap.Throttled:      "Try again after that, as scheduled runs do. " + fromElsewhere,
	jmap.Busy:           "Its server takes nothing now: try again later, as scheduled runs do. " + fromElsewhere,
	jmap.TooBig:         "Its server takes no message of this size: deliver it to a Maildir, or raise the limit there.",
	jmap.Rejected:       "Its server does not take this message.",
	jmap.Exists: "Its server keeps one message with this Message-ID, and has another one: deliver it to a Maildir, or remove " +
		"the other one there.",
	jmap.InDoubt: "Nobody could look whether the message has arrived. The next run looks before it delivers it again.",
}
