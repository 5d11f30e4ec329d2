package smtp

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
	// LoginRefused: it refused user or password. OtherLogin: it wants another way
	// (RFC 4954 section 6, 534).
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
