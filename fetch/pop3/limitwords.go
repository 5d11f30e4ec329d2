package pop3

import _ "embed"

// Limit is what the refusal of a message means for the other messages.
type Limit uint8

// The zero value is a refusal of one message.
const (
	NoLimit   Limit = iota
	ForNow          // the server cannot now: perhaps this message, perhaps none
	Exhausted       // a limit of the server: this message is only the first of those behind it
	NotAtAll        // a code says that the session gets nothing more
)

//go:embed limitwords.txt
var limitWords string

// limitWordings tell a limit on what one may fetch (messages, octets, commands a
// day) from the refusal of one message. The first row that fits decides. The
// sources of the words are in the table of the test.
var limitWordings = readWordings(limitWords, map[string]Limit{"message": NoLimit, "limit": Exhausted, "for now": ForNow})

// Limit is what e, the refusal of RETR or TOP, means for other messages: by words
// about one message or about a limit, then by the response code, then by words
// about time. The code [SYS/TEMP] alone is no limit: Dovecot gives it for one
// message that it cannot read.
func (e *Error) Limit() Limit {
	switch said, found := meaning(limitWordings, e.Text); {
	case e.Code == InUse, e.Code == LoginDelay:
		return NotAtAll
	case found && said == NoLimit, e.Code == Auth, e.Code == UTF8, e.Code == SysPerm && said == ForNow:
		return NoLimit
	case e.Code == SysTemp && !found:
		return ForNow
	default:
		return said
	}
}
