package pop3

import (
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

// wordings tell what a refused login means by the words of its text, where the
// response codes of RFC 2449 and RFC 3206 do not. The first row that fits
// decides; what fits none is RefusedUnknown, since to try a wrong password again
// and again locks an account. So words about the password and the account come before all that
// sounds like time ("invalid password, please try again"). The sources of the
// words are in the table of the test.
var wordings = []wording[Refusal]{
	// What this account does not get.
	{RefusedAccount, words(`\b(not|un-?) ?available (for|to|in|with|on) (your|you|this|free|trial|basic)\b`, `\blimited to\b`)},
	// The server's own parts fail: its words about a password are not about ours.
	{RefusedForNow, words(`internal (server )?error`,
		`\b(can ?not|can't|could ?n.t|could not|unable to|fail(ed|ure)? to) (connect|contact|reach|query)\b`,
		`\b(server|database|backend|back-end|service|daemon|authenticator|ldap|sql|storage|system)( is| are| was)?( currently| temporarily)? (not available|unavailable|not respond\w*|unreachable|down|overloaded|under maintenance)\b`,
		`\btemporary (auth\w* |login |system |server )?(failure|error|problem)`)},
	// Password, name, second factor.
	{RefusedPassword, words(`\bpass ?(words?|wd|code|phrase)s?\b`, `\bcredentials?\b`, `\bincorrect\b`, `\bexpired?\b`, `\bbrowser\b`, `\bauthori[sz]ation code`,
		`\b(wrong|bad|invalid|unknown|no such|illegal|missing|nonexist[ae]nt) (e-?mail |pop3? )?(user|account|login|log-in|logon|name|mailbox|maildrop|e-?mail|address|domain|token|secret)`,
		`\b(user|account|mailbox|domain|name|login|address)s?\b.{0,30}(\bunknown|\bnot found|\bno[nt]? ?-?exist|n't exist|\bnot recogni|\binvalid|\bno such|\bis abnormal)`,
		`\bno (mailbox|maildrop|account) (for|here)\b`, `\b(2-step|two-step|2fa|mfa|otp|two-factor|multi-factor|second factor)\b`, `\bbasic auth`, `\boauth`,
		`\b(ssl|tls|stls|encrypt\w*|secure)\b.{0,20}\b(required|first|only)\b`, `\bnon-?secure\b`, `\binsecure\b`,
		// tries that failed before: the next one makes it worse
		`\b(too many|repeated|multiple|several|exceeded|maximum|limit).{0,30}\b(failed|failures?|invalid|bad|wrong|incorrect|unsuccessful|erroneous)\b`,
		`\b(failed|invalid|bad|wrong|unsuccessful) (log[io]n|auth\w*|sign-?in|attempts?|tries)\b`)},
	// A person closed it, or must open it.
	{RefusedAccount, words(`\badmin`, `\bsuspen`, `\bcontact`, `\bsupport\b`, `\bhelp ?desk`, `\babuse\b`, `\bfraud`, `\bspam`, `\bsecurity\b`, `\bcompromised?\b`, `\bhacked\b`,
		`\bpayments?\b`, `\bbilling\b`, `\bunpaid\b`, `\bsubscri`, `\blicen[cs]e`, `\bterminated\b`, `\bde-?activated?\b`, `\bin-?active\b`, `\binactivity\b`, `\bfrozen\b`, `\bclosed by\b`,
		`\bunlock`, `\bsettings\b`, `\bweb ?-?mail\b`, `\bverif(y|ied|ication)\b`, `\bblack-?list`, `\bbanned\b`)},
	// Another session, or too many: limits of connections, of logins, of a day.
	{RefusedForNow, words(`\b(another|other|concurrent|existing|active|simultaneous|duplicate)\b.{0,12} ?\b(sessions?|clients?|process|connections?|log[io]ns?|program|instance|users?|pop3?|imap)\b`,
		`\bin-? ?use\b`, `\balready (locked|open|logged|connected|being|running)`, `\btoo (many|often|frequent\w*|soon|fast|quick\w*|busy)\b`, `\bfrequen(t|cy|tly)\b`,
		`\b(connections?|sessions?|log[io]ns?|requests?|commands?|rate|frequency|traffic|bandwidth|download|daily|hourly)\b.{0,12} (limits?|quota|allowance|exceeded)\b`,
		`\bmax(imum)?( number of)? (concurrent |simultaneous )?(connections|sessions|logins|clients|users)`, `\brate-? ?limit`,
		`\bmust be at least\b.*\bapart\b`, `\bminimum (time|interval|delay)\b`)},
	// Quota, then state and permission.
	{RefusedQuota, words(`quota\b`, `\b(storage|space|size|disk|mailbox|maildrop|inbox|account|mail)\b.{0,20}\b(full|limit|allocation|allowance|exceed\w*|reached)\b`)},
	{RefusedAccount, words(`\bpermi(t|ssion)`, `\bden(y|ied)\b`, `\bforbidden\b`, `\bprohibited\b`, `\bdis(abled|allowed)\b`, `\bblock(ed|list\w*)?\b`, `\brestricted\b`, `\bunauthori[sz]ed\b`,
		`\bnot (yet |been |currently )?(allowed|authori[sz]ed|enabled|activated|active|open|entitled|eligible|supported|configured|provisioned)\b`,
		`\block(ed)?[ -]?outs?\b`, `\b(accounts?|users?|log[io]n|access|profile|address|ip)\b.{0,30}\blocked\b`)},
	// Locks and words about time.
	{RefusedForNow, words(`^(\[[^]]*\] *)?(please,? )?try (it )?again\W*$`, `\block`, `\btemporar`, `\btry(ing)? later\b`, `\bre-?try\b`, `\blater\b`, `\bwait`, `\bminutes?\b`, `\bseconds?\b`, `\bhours?\b`, `\btomorrow\b`, `\bmoment\b`, `\bshortly\b`, `\bat this time\b`, `\bright now\b`, `\btransient\b`,
		`\bbusy\b`, `\boverload`, `\bthrottl`, `\bload\b`, `\bunavailable\b`, `\bnot available\b`, `\bnot ready\b`, `\btime[d-]? ?-?out\b`, `\bmaintenance\b`, `\bshut(ting)? ?down\b`, `\brestart`, `\bstarting\b`,
		`\bexceed`, `\blimit`, `\bconnection (refused|reset|fail\w*|closed|lost|error|broken|aborted)\b`, `\bback-?end\b`, `\bupstream\b`, `\bfork\b`, `\bbeing (re|index|migrat|move|convert|repair|restor)`, `\bunreachable\b`, `\bnetwork\b`, `\bi/o\b`, `\bdisk\b`, `\bno space\b`, `\bresources?\b`, `\bmemory\b`, `\bdatabase\b`,
		`\b(server|system|service|storage|mailbox|maildrop|file|lookup|serverbug|fatal)( |: )(error|fail\w*|bug)`, `\bserverbug\b`, `\b(unexpected|unknown) (error|failure)`,
		`\b(can ?not|can't|could ?n.t|could not|unable to|fail(ed|ure)? to|error) (open|lock|read|access|load|fetch|sync|stat|create|fork|process|start|update|initiali[sz]e|fetch|init|get|select|retrieve|opening|reading)\w*\b`,
		`\bsomething (bad happened|went wrong)`,
		// GBK in the escapes of an Error: "logins too frequent", "over the upper limit"
		`\\xcc\\xab\\xc6\\xb5\\xb7\\xb1`, `\\xb3\\xac\\xb9\\xfd\\xc9\\xcf\\xcf\\xde`, `太频繁`, `超过上限`)},
}

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
