package pop3

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
)

// Refusal is what a refused login is about.
type Refusal uint8

// What a login is refused for. Only RefusedForNow is worth another try soon;
// the zero value is the safe one: a person must look.
const (
	RefusedUnknown  Refusal = iota
	RefusedPassword         // user name, password, second factor
	RefusedAccount          // the account is closed, locked, or may not use POP3
	RefusedQuota            // the mailbox is full
	RefusedForNow           // it passes by itself
)

// wording is a row of words that servers use in refusals.
type wording[T any] struct {
	means T
	words *regexp.Regexp
}

// meaning is that of the first row whose words are in a text; false: of none.
func meaning[T any](rows []wording[T], text string) (means T, ok bool) {
	for _, w := range rows {
		if w.words.MatchString(text) {
			return w.means, true
		}
	}
	return means, false
}

// readWordings reads the rows of a file. A line "= MEANING" begins a row, each other
// line is a regular expression of it; lines that begin with # are comments.
func readWordings[T any](file string, meanings map[string]T) (rows []wording[T]) {
	for row := range strings.SplitSeq(file, "\n= ") {
		meaning, lines, _ := strings.Cut(row, "\n")
		means, ok := meanings[meaning]
		if !ok {
			continue // what comes before the first row
		}
		exprs := slices.DeleteFunc(strings.Split(lines, "\n"), func(l string) bool { return l == "" || l[0] == '#' })
		rows = append(rows, wording[T]{means, words(exprs...)})
	}
	return rows
}

//go:embed loginwords.txt
var loginWords string

// wordings tell what a refused login means by the words of its text, where the
// response codes of RFC 2449 and RFC 3206 do not. The first row that fits
// decides; what fits none is RefusedUnknown, since to try a wrong password again
// and again locks an account. So words about the password and the account come
// before all that sounds like time ("invalid password, please try again"). The
// sources of the words are in the table of the test.
var wordings = readWordings(loginWords, map[string]Refusal{
	"account": RefusedAccount, "for now": RefusedForNow, "password": RefusedPassword, "quota": RefusedQuota,
})

// unknownMechanism fits the refusal of an AUTH that the server does not know,
// as MimeKit, hMailServer and K-9 met them: the command or the mechanism is
// named, and "authentication" alone is neither.
var unknownMechanism = words(
	`\b(unknown|unrecogni[sz]ed|unsupported|unimplemented|unhandled|undefined|invalid|illegal|bad|no such|no|not a (valid|known))\b.{0,8}\b(commands?|verb|keyword|mechanisms?|(auth\w*|sasl) (type|method|scheme|mech\w*))\b`,
	`\b(commands?|verb|keyword|mechanisms?|(auth\w*|sasl) (type|method|scheme|mech\w*)|auth|sasl)\b.{0,16}(\bnot? .{0,12}(supported|implemented|recogni[sz]ed|understood|known|valid|available|enabled|allowed|permitted)|\bunknown|\bunsupported|\bunrecogni|\bunimplemented|\bdisabled|n't (support|know|recogni))`,
	`\bsyntax error\b`, `\bnot implemented\b`, `\bunimplemented\b`, `^what\b`, `^huh\b`)

// ofMechanism reports whether e, the first answer to AUTH, says that the server
// does not know the command or the mechanism.
func (e *Error) ofMechanism() bool {
	return e.Code != InUse && e.Code != LoginDelay && e.Code != SysTemp && unknownMechanism.MatchString(e.Text)
}

// bindingRefused fits the refusal of a channel binding; "bad protocol / cancel"
// is the whole reply of Cyrus to an unknown one.
var bindingRefused = words(`\bchannel[ -]?bind`, `\bbad protocol\b`)

// ofBinding reports whether e, the refusal of a -PLUS mechanism, is about the
// channel binding.
func (e *Error) ofBinding() bool { return bindingRefused.MatchString(e.Text) }

// words makes one expression of several, whatever their case.
func words(exprs ...string) *regexp.Regexp {
	return regexp.MustCompile("(?i)" + strings.Join(exprs, "|"))
}

// Refusal is what e, the refusal of a login, is about: by its response code,
// then by its words.
func (e *Error) Refusal() Refusal {
	said := refusalOf(e.Raw + " " + e.Text)
	switch e.Code {
	case InUse, LoginDelay, SysTemp:
		return RefusedForNow
	case Auth, SysPerm:
		if said == RefusedForNow {
			return RefusedUnknown
		}
	}
	return said
}

// ofLogin reports whether e refuses the session as a whole: at the greeting, at
// a command of the login, or at the STAT that proves it.
func (e *Error) ofLogin() bool {
	verb, _, _ := strings.Cut(e.Command, " ")
	return slices.Contains([]string{"greeting", "USER", "PASS", "APOP", "AUTH", "STAT"}, verb)
}

// refusalOf returns what these words of a refused login mean.
func refusalOf(text string) Refusal {
	means, _ := meaning(wordings, text)
	return means
}

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
