package pop3

// Limit is what the refusal of a message means for the other messages.
type Limit uint8

// The zero value is a refusal of one message.
const (
	NoLimit   Limit = iota
	ForNow          // the server cannot now: perhaps this message, perhaps none
	Exhausted       // a limit of the server: this message is only the first of those behind it
	NotAtAll        // a code says that the session gets nothing more
)

// limitWordings tell a limit on what one may fetch (messages, octets, commands a
// day) from the refusal of one message. The first row that fits decides. The
// sources of the words are in the table of the test.
var limitWordings = []wording[Limit]{
	// What is wrong with this message, or with its size.
	{NoLimit, words(`\bno such\b`, `\b(message|mail|item)( \d+)?('s)? (is |was )?(size|too|exceeds|larger|bigger|over|does|already|damaged|unreadable|not found|missing)\b`,
		`\b(line|header|attachment|nesting|recursion|mime|item|message|mail|file) ?(length|size|depth)\b`, `\btoo (large|big|long|deep)\b`,
		`\blevels? of\b`, `\bcorrupt`, `\bdeleted\b`, `\b(parse|decode|convert|decrypt|decompress)`)},
	{Exhausted, words(`\bexceed`, `\blimit`, `\bquota`, `\bbandwidth`, `\bthrottl`, `\btoo (many|much|often|fast|soon|quick\w*|frequent\w*)\b`, `\bfrequen(t|cy|tly)\b`,
		`\btomorrow\b`, `\bdaily\b`, `\b(per|a|each|for|next|to) ?(the )?(day|hour|minute)\b`, `\b(per|each) session\b`, `\btoday\b`, `\b(24|twenty-four) ?h`, `\ballowance\b`, `\bmax(imum)? (number|amount|downloads?|messages?|traffic|transfers?|retr\w*)\b`,
		`\brate\b`, `\bexhausted\b`, `\bslow down\b`, `\bhourly\b`, `\boverlimit\b`,
		// GBK in the escapes of an Error, then UTF-8: "too frequent", "exceeds", "upper limit"
		`\\xcc\\xab\\xc6\\xb5\\xb7\\xb1`, `\\xb3\\xac\\xb9\\xfd`, `\\xc9\\xcf\\xcf\\xde`, `频繁`, `超过`, `超出`, `上限`, `限制`,
		`überschritten`, `\bzu viele\b`, `dépass`, `\btrop de\b`, `\bdemasiad[oa]s\b`, `лимит`, `превышен`)},
	{ForNow, words(`\b(try|trying|retry|come back|again)\b.{0,20}\b(later|again|in \d+|after|shortly|soon)\b`, `\blater\b`, `\btemporar`, `\bwait\b`, `\bbusy\b`, `\boverload`,
		`\bin use\b`, `\b(mailbox|maildrop|account|user)( is)? locked\b`, `\bunavailable\b`, `\bnot available\b`, `\bmaintenance\b`, `\bshut(ting)? ?down\b`, `\bat this time\b`, `\bright now\b`, `\bminutes?\b`, `\bhours?\b`)},
}

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
