package advice

import (
	"cmp"
	"errors"

	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// otherSide begins what is said of a mailbox that is a target: there are two servers.
const otherSide = "This is the mailbox that the mail goes to, not the one that it comes from. "

// mailboxRows are for mailboxes that are targets. They come before the rows for
// servers, whose errors they hold.
func mailboxRows() []row {
	return []row{of(func(e *imap.Error, at Situation) string {
		at.target = true
		text := cmp.Or(connectText(e, at), brokenText(e), firstOf(tokenRows(), e.Err, at), refusedToken(e), mailboxTexts[e.Cause])
		switch {
		case text == "":
			return ""
		case e.Pause > 0:
			text = "Its server wants a pause of " + ledger.Brief(e.Pause) + ". " + text
		}
		return otherSide + text
	})}
}

// connectText is for the way to the server, and for TLS.
func connectText(e *imap.Error, at Situation) string {
	dial, ok := errors.AsType[*pop3.DialError](e)
	if ok && dial.Kind == pop3.DialDNS {
		return "Its server's name does not exist, or this machine has no DNS: look for a typing mistake in it (often imap.DOMAIN or " +
			"mail.DOMAIN)."
	}
	if ok && dial.Via == "" && dial.Kind == pop3.DialRefused {
		return "The machine answers, but nothing listens on that port. 993 is for TLS from the start (`tls: implicit`, --to " +
			"imaps://), 143 for STARTTLS (`tls: starttls`, --to imap://)."
	}
	secure, isTLS := errors.AsType[*pop3.TLSError](e)
	switch {
	case isTLS && secure.Kind == pop3.TLSNotSpoken:
		return "Its server does not speak TLS on this port: use STARTTLS on port 143 (`tls: starttls`, --to imap://), or TLS from the " +
			"start on port 993 (`tls: implicit`, --to imaps://)."
	case ok, isTLS:
		return firstOf(networkRows(), e, at)
	}
	return ""
}

// brokenText is for a session that broke: only one that delivers leaves something to find out.
func brokenText(e *imap.Error) string {
	what := map[imap.Cause]string{imap.Lost: "The connection broke.", imap.Silent: "Its server did not answer in time."}[e.Cause]
	switch {
	case what == "":
		return ""
	case e.Stage == imap.StageAppend:
		return what + " The next run looks which messages have arrived, and delivers the others."
	}
	return what + " " + tryLater
}

// tryLater is for what may pass, whether a run delivers or a person looks.
const tryLater = "Try again later, as scheduled runs do; if it happens again and again, look at its server and at the network."

// fromElsewhere is what happens to mail that cannot be delivered now.
const fromElsewhere = "Messages stay on the server that they come from until then."

var mailboxTexts = map[imap.Cause]string{
	imap.Unreachable: "Is its server up, and are name and port right?",
	imap.NoGreeting: "Its server says nothing, as one does that speaks TLS from the start on this port (`tls: implicit`, --to " +
		"imaps://). Else it is overloaded, or lets nobody in from here. " + fromElsewhere,
	imap.NotIMAP: "What answers there is no IMAP server, or breaks the protocol: is that its port (993 with TLS from the " +
		"start, 143 with STARTTLS)?",
	imap.TLSNotOffered: "No password was sent. Use TLS from the start on port 993 if its server has it (`tls: implicit`, --to imaps://).",
	imap.TLSFailed:     "Do TLS and the port belong together?",
	imap.Tampered:      "Somebody may be tampering with the connection. No password was sent.",
	imap.Insecure: "Use TLS (`tls: implicit` or `starttls`, --to imaps:// or imap://), or allow the login without it " +
		"(`insecure: true` of the target, --insecure).",
	imap.NoLogin: "No password was sent. See `auth` of the target in mailhaul.yaml(5); a provider that takes only OAuth2 " +
		"needs `oauth` or `token` in place of `password`.",
	imap.LoginRefused: "Its server refused user or password: are those of the target right? Most providers want the whole " +
		"address as the user name and an app password. Too many wrong tries lock an account: check before you try again.",
	imap.LoginLater: "Its server takes no login now: it may be down for a while, or other mail programs hold too many connections. " + fromElsewhere,
	imap.MailboxRefused: "Its server does not take this name: set another `mailbox` of the target (in --to: what follows the " +
		"host). Some have folders below INBOX only.",
	imap.NoRight: "The login has no right to this mailbox, or may not add messages there: name another `mailbox`, or have its owner grant that right (i of " +
		"RFC 4314).",
	imap.Quota:             "It is full, or its server's limit for today is reached: make room there. " + fromElsewhere,
	imap.Throttled:         "Try again after that, as scheduled runs do. " + fromElsewhere,
	imap.Busy:              "Its server does not work now: try again later, as scheduled runs do. " + fromElsewhere,
	imap.TooBig:            "Its server takes no message of this size: deliver it to a Maildir, or raise the limit there.",
	imap.Binary:            "The message holds a NUL byte, which IMAP cannot carry: deliver it to a Maildir.",
	imap.Rejected:          "Its server does not take this message.",
	imap.ClientCertificate: "Its server wants a client certificate that it knows: set `client_cert` and `client_key` of the target.",
	imap.Unserved: "Its server has the message and cannot hand it out: is its file damaged there? Somebody who runs that server can " +
		"see the reason in its log.",
	imap.InDoubt: "Nobody could look whether the message has arrived. The next run looks before it delivers it again.",
}
