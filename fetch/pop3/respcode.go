package pop3

import (
	"cmp"
	"slices"
	"strings"
)

// RespCode is the response code at the head of an -ERR text (RFC 2449 section
// 8, RFC 3206).
type RespCode uint8

const (
	// None is an -ERR without a code.
	None RespCode = iota
	// InUse is [IN-USE]: another session holds the maildrop.
	InUse
	// LoginDelay is [LOGIN-DELAY]: logged in too soon after the last time.
	LoginDelay
	// SysTemp is [SYS/TEMP]: a fault that is likely to go away.
	SysTemp
	// SysPerm is [SYS/PERM]: a fault that needs a person.
	SysPerm
	// Auth is [AUTH]: the credentials are wrong.
	Auth
	// UTF8 is [UTF8]: the UTF8 command must be sent first (RFC 6856).
	UTF8
	// Other is a code that this package does not know.
	Other
)

// parseRespCode splits a code from the text. Codes are hierarchical, so
// [SYS/TEMP/X] is SysTemp. They are honoured whether announced or not: a text
// begins with one of these by nothing but intent.
func parseRespCode(text string) (RespCode, string) {
	if !strings.HasPrefix(text, "[") {
		return None, text
	}
	inside, rest, ok := strings.Cut(text[1:], "]")
	if !ok || inside == "" || strings.ContainsAny(inside, " \t") {
		return None, text
	}
	return respCode(strings.ToUpper(inside)), strings.TrimLeft(rest, " ")
}

var respCodes = map[string]RespCode{
	"IN-USE": InUse, "LOGIN-DELAY": LoginDelay, "SYS/TEMP": SysTemp, "SYS/PERM": SysPerm, "AUTH": Auth, "UTF8": UTF8,
}

func respCode(name string) RespCode {
	first, rest, _ := strings.Cut(name, "/")
	second, _, _ := strings.Cut(rest, "/")
	return cmp.Or(respCodes[first], respCodes[first+"/"+second], Other)
}

// hintsTemporary reports from the words of a refusal without a known code
// whether trying later makes sense.
func hintsTemporary(text string) bool {
	text = strings.ToLower(text)
	text = strings.NewReplacer("block", "", "clock", "").Replace(text) // "lock" must mean a lock
	passing := []string{"lock", "in use", "too many", "try again", "try later", "wait", "exceed", "busy", "temporar"}
	return slices.ContainsFunc(passing, func(s string) bool { return strings.Contains(text, s) })
}
