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

// classifyLost says what the loss of the connection means. Until DATA it is
// no matter of the message; while the message is sent it may be (a filter that
// crashes on it), so the queue must not stop there.
func classifyLost(p phase) deliver.Class {
	if p < phaseBody {
		return deliver.Unavailable
	}
	return deliver.Failed
}
