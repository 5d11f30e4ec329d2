package smtp

import (
	"github.com/mailhaul/mailhaul/deliver"
)

// phase is how far a transaction got.
type phase uint8

const (
	phaseConnect phase = iota
	phaseGreeting
	phaseHello
	phaseTLS
	phaseAuth
	phaseMail
	phaseRcpt
	phaseData
	phaseBody // the message, until the final dot has been written
	phaseDot  // from then until the reply
)

func (p phase) String() string {
	return [...]string{"connect", "greeting", "EHLO", "STARTTLS", "AUTH",
		"MAIL", "RCPT", "DATA", "message", "reply to the message"}[p]
}

// classify says what a refusing reply means (package comment).
func classify(p phase, code int) deliver.Class {
	switch {
	case p <= phaseAuth || code == 421:
		return deliver.Unavailable
	case p < phaseBody && authRequired(code):
		return deliver.Unavailable
	case code >= 500:
		return deliver.Never
	default:
		return deliver.Later
	}
}

// authRequired reports whether a reply is about who we are, not about the
// message (RFC 4954 section 6).
func authRequired(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
}

// classifyLost says what the loss of the connection means. Until DATA it is
// no matter of the message; while the message is sent it may be (a filter that
// crashes on it), so the queue must not stop there.
func classifyLost(p phase) deliver.Class {
	if p < phaseBody {
		return deliver.Unavailable
	}
	return deliver.Later
}

// hint tells a person what a refusal asks for.
func hint(p phase, code int) string {
	switch {
	case p == phaseAuth && code == 535:
		return "the relay refused user or password: are those of the target right?"
	case p == phaseAuth && code == 534:
		return "the relay wants another way to log in: an app password?"
	case p >= phaseMail && authRequired(code):
		return "the relay wants a login: set user and password of the target in a configuration file"
	case p == phaseGreeting && code == 554, p == phaseHello && code >= 500:
		return "the relay does not take mail from this machine: ask its administrator, or use another one"
	case p == phaseRcpt && code >= 500:
		return "the relay does not take mail for this recipient: check `to` (in --to: rcpt=)"
	}
	return ""
}
