package smtp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
)

// verdict is whose matter a refusal is, and for how long.
type verdict uint8

const (
	messageLater   verdict = iota
	messageNever           // its size, its content
	senderRefused          // a message with another sender may pass
	recipientLater         // greylisting, a lock
	recipientFull          // over quota
	recipientNever         // no such user
	targetLater            // the relay is busy, full, or limits us
	helloRefused           // our name in EHLO
	loginWanted            // AUTH, or STARTTLS, comes first
	clientRefused          // this machine, or whatever all messages have in common
)

// refusal is a negative reply, 400 and above, in its place.
type refusal struct {
	phase phase
	reply reply
}

// enhanced is a status code of RFC 3463 at the start of a reply's text.
var enhanced = regexp.MustCompile(`^[245]\.(\d{1,3}\.\d{1,3})\b`)

// status is the enhanced code without its class, which the reply's own first
// digit says; empty if there is none.
func (r reply) status() string {
	if len(r.lines) == 0 {
		return ""
	}
	if m := enhanced.FindStringSubmatch(r.lines[0]); m != nil {
		return m[1]
	}
	return ""
}

// verdict says what a refusal means. Codes decide first; words count only where
// relays give different reasons the same code, and only those that Postfix,
// Exim, Sendmail, Exchange, Cyrus and Dovecot use for one of them.
func (f refusal) verdict() verdict {
	code, later := f.reply.code, f.reply.code < 500
	text := strings.ToLower(strings.Join(f.reply.lines, " "))
	switch {
	case code == 421: // RFC 5321 section 3.8
		return targetLater
	case f.phase <= phaseAuth:
		return f.session(later)
	case later && f.targetBusy(text):
		return targetLater
	}
	if v, ok := byStatus(f.reply.status(), later); ok {
		return v
	}
	if v, ok := f.byWords(text, later); ok {
		return v
	}
	return f.byPhase(code, later)
}

// session is for what comes before any message.
func (f refusal) session(later bool) verdict {
	switch {
	case later:
		return targetLater
	case f.phase == phaseHello:
		return helloRefused
	case f.phase == phaseAuth:
		return loginWanted
	}
	return clientRefused
}

// targetBusy reports whether a 4xx reply is about the relay, whatever the
// message: no room (RFC 3463 X.3.1), not accepting (X.3.2), or a limit on us.
// X.5.3 in the answer to RCPT is the limit of recipients for one message.
func (f refusal) targetBusy(text string) bool {
	switch f.reply.status() {
	case "3.1", "3.2":
		return true
	case "5.3":
		return f.phase != phaseRcpt
	}
	return f.phase != phaseRcpt && strings.Contains(text, "too many") || contains(text,
		"rate limit", "ratelimit", "rate-limit", "throttl", "too much mail", "too many messages",
		"too many connections", "too many concurrent", "too many mails", "sending limit", "limit exceeded")
}

// byStatus is for enhanced codes that say it all (RFC 3463, RFC 7372, RFC 4954).
func byStatus(status string, later bool) (verdict, bool) {
	switch status {
	case "1.7", "1.8", "7.23", "7.24": // sender's syntax, sender's domain, SPF
		return senderRefused, true
	case "2.2":
		return recipientFull, true
	case "2.3", "3.4": // the message is too large
		return either(later, messageLater, messageNever), true
	case "1.1", "1.2", "1.3", "1.4", "1.6", "1.10", "2.1":
		return either(later, recipientLater, recipientNever), true
	case "7.25": // no reverse name for our address
		return either(later, targetLater, clientRefused), true
	}
	return 0, false
}

// byWords distinguishes refusals that share 450, 550, 554 and X.7.1.
func (f refusal) byWords(text string, later bool) (verdict, bool) {
	switch {
	case contains(text, "helo command rejected", "ehlo command rejected", "invalid helo", "helo name", "ehlo name", "helo/ehlo"):
		return either(later, targetLater, helloRefused), true
	case contains(text, "client host rejected", "client host [", "access denied, bad client"):
		return either(later, targetLater, clientRefused), true
	case f.phase < phaseBody && contains(text, "blocked using", "listed by", "blocklist", "blacklist"):
		return either(later, targetLater, clientRefused), true
	case f.phase < phaseBody && contains(text, "sender address rejected", "sender rejected", "sender verify failed", "domain of sender", "sender domain", " spf"):
		return senderRefused, true
	case contains(text, "quota", "mailbox full", "mailbox is full"):
		return recipientFull, true
	}
	return 0, false
}

// byPhase is for what only the code and its place tell.
func (f refusal) byPhase(code int, later bool) verdict {
	switch {
	case f.phase < phaseBody && (code == 530 || code == 534 || code == 535 || code == 538): // RFC 4954 section 6
		return loginWanted
	case f.phase == phaseMail && code == 552: // RFC 1870 section 6.2
		return messageNever
	case f.phase == phaseMail:
		return either(later, targetLater, senderRefused)
	case f.phase == phaseRcpt && code == 552:
		return recipientFull
	case f.phase == phaseRcpt:
		return either(later, recipientLater, recipientNever)
	case f.phase == phaseData:
		return either(later, messageLater, clientRefused)
	}
	return either(later, messageLater, messageNever)
}

// doubtful reports whether a refusal of the recipient may as well be about the
// sender: then another sender is tried.
func (f refusal) doubtful() bool {
	v := f.verdict()
	if v == senderRefused {
		return true
	}
	explicit, _ := byStatus(f.reply.status(), false)
	return v == recipientNever && explicit != recipientNever || v == clientRefused && f.phase == phaseData
}

// class says what a refusal means to the engine. fixed: the recipient stands
// in the configuration, so that each message has the same.
func (f refusal) class(fixed bool) deliver.Class {
	never := deliver.Never
	if f.reply.code < 500 {
		never = deliver.Later
	}
	switch f.verdict() {
	case messageNever:
		return deliver.Never
	case targetLater:
		return deliver.Unavailable
	case recipientFull:
		if fixed {
			return deliver.Unavailable
		}
		return deliver.Later
	case recipientNever:
		if fixed {
			return deliver.CannotCreate
		}
		return never
	case senderRefused:
		if never == deliver.Never && f.phase < phaseBody {
			return deliver.CannotCreate
		}
		return never
	case loginWanted:
		if f.phase == phaseAuth {
			return deliver.Denied
		}
		return deliver.CannotCreate
	case helloRefused, clientRefused:
		return deliver.CannotCreate
	}
	return deliver.Later
}

// causes are the verdicts for who gives advice.
var causes = map[verdict]Cause{
	senderRefused: SenderRefused, recipientFull: RecipientFull, recipientNever: RecipientRefused, targetLater: Busy,
	helloRefused: HelloRefused, loginWanted: LoginWanted, clientRefused: ClientRefused,
}

func (f refusal) cause() Cause {
	switch v := f.verdict(); {
	case v == loginWanted && (f.reply.code == 534 || f.reply.status() == "7.139" || f.reply.status() == "7.30"):
		return OtherLogin
	case v == loginWanted && f.phase == phaseAuth:
		return LoginRefused
	default:
		return causes[v]
	}
}

func either(later bool, now, never verdict) verdict {
	if later {
		return now
	}
	return never
}

func contains(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// Cause says what a delivery to a relay failed for.
type Cause uint8

const (
	// CauseOther is any other reason, and a limit of the message itself.
	CauseOther Cause = iota
	// Unreachable: no connection could be made.
	Unreachable
	// NotSMTP: what answered speaks another protocol.
	NotSMTP
	// Lost: the connection broke.
	Lost
	// InDoubt: it broke after the last dot, so that the message may have arrived.
	InDoubt
	// TLSNotOffered: the relay does not offer STARTTLS.
	TLSNotOffered
	// Tampered: text came before the TLS handshake that must not.
	Tampered
	// TLSFailed and Untrusted: the handshake failed, the latter for the certificate.
	TLSFailed
	Untrusted
	// Insecure: the password is not sent without TLS.
	Insecure
	// NoLogin: the relay has none of our logins. LoginWanted: it wants one.
	// LoginRefused: it refused user, password or token. OtherLogin: it wants another way
	// (RFC 4954 section 6, 534), or Exchange says that this one is switched off.
	NoLogin
	LoginWanted
	LoginRefused
	OtherLogin
	// SenderRefused, RecipientFull and RecipientRefused: the relay said so.
	SenderRefused
	RecipientFull
	RecipientRefused
	// Busy: the relay takes nothing now.
	Busy
	// HelloRefused: it does not take our name. ClientRefused: it does not take mail
	// from this machine.
	HelloRefused
	ClientRefused
	// NoRecipient: the message has none. BadRecipient: that is no address.
	NoRecipient
	BadRecipient
	// SenderNeedsUTF8 and RecipientNeedsUTF8: the address is not ASCII, and the
	// relay has no SMTPUTF8 (RFC 6531).
	SenderNeedsUTF8
	RecipientNeedsUTF8
)

// Error is the cause of a failed delivery; its text names the relay.
type Error struct {
	Cause Cause
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }
