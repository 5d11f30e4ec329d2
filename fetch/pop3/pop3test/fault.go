package pop3test

import "time"

// Fault is one thing that goes wrong. Several may hit one reply; they apply in
// the order of Options.Faults.
type Fault struct {
	// On is the first words of the command line, in any case ("RETR 3",
	// "UIDL"); empty for every command. Or one of these events: "connect" (a
	// connection was accepted), "tls" (before each handshake), "greeting",
	// "login" (the reply to a login that succeeds). Raw and Err in place of
	// the first two also end the connection.
	On string
	// UID, if set, is the unique-id of the message that the command names by
	// its number: the fault stays with it in each session.
	UID string
	// Nth is which match is hit, counted over the server's life from 1; zero
	// is 1. Always also hits all later ones.
	Nth    int
	Always bool
	// After is how many bytes of the reply, as sent, go out first; -1 for the
	// whole reply. With 0 the command is not carried out, unless Done.
	After int64
	Done  bool
	Do    Action
}

type actionKind uint8

const (
	doNothing actionKind = iota
	doCut
	doReset
	doStall
	doDrip
	doPause
	doUntil
	doAwait
	doErr
	doRaw
	doAppend
	doEndlessLine
	doEndlessList
	doEndlessBody
	doHangUpOnPipelining
)

// Action is what a Fault does: the result of Cut, Stall and so on. The zero
// value does nothing.
type Action struct {
	kind actionKind
	data []byte
	wait time.Duration
	// until ends the wait of Until.
	until <-chan struct{}
	// pipelined: only if another command has already arrived
	pipelined bool
}

// Cut closes the connection in an orderly way. On TLS no close_notify is sent.
func Cut() Action { return Action{kind: doCut} }

// Reset closes the connection with a TCP RST.
func Reset() Action { return Action{kind: doReset} }

// Stall sends nothing more, and reads and ignores, until either side closes.
func Stall() Action { return Action{kind: doStall} }

// Drip sends the rest of the reply one byte at a time, each after d.
func Drip(d time.Duration) Action { return Action{kind: doDrip, wait: d} }

// Pause waits d and goes on.
func Pause(d time.Duration) Action { return Action{kind: doPause, wait: d} }

// Until waits until the test closes c, and goes on.
func Until(c <-chan struct{}) Action { return Action{kind: doUntil, until: c} }

// Await waits for the client's next byte, which is lost: the client has then
// read all that was sent before. For "tls" and before the session's end.
func Await() Action { return Action{kind: doAwait} }

// Err replaces the rest of the reply by "-ERR text".
func Err(text string) Action { return Action{kind: doErr, data: []byte("-ERR " + text + "\r\n")} }

// Raw replaces the rest of the reply by these bytes; the session goes on.
func Raw(b string) Action { return Action{kind: doRaw, data: []byte(b)} }

// Append sends these bytes behind the reply, in one write with its end.
func Append(b string) Action { return Action{kind: doAppend, data: []byte(b)} }

// EndlessLine sends one line that never ends.
func EndlessLine() Action { return Action{kind: doEndlessLine} }

// EndlessList sends list lines, as UIDL, LIST or CAPA would have them, for ever.
func EndlessList() Action { return Action{kind: doEndlessList} }

// EndlessBody sends +OK, a header and body lines for ever.
func EndlessBody() Action { return Action{kind: doEndlessBody} }

// HangUpOnPipelining closes the connection if another command has already
// arrived together with this one, as o2.pl does.
func HangUpOnPipelining() Action { return Action{kind: doHangUpOnPipelining} }

// IfPipelined does a only if another command has already arrived together with
// this one: tpop3d falls silent then over TLS, WildDuck mixes its replies up.
func IfPipelined(a Action) Action {
	a.pipelined = true
	return a
}

// InjectAfterSTLS sends plaintext behind the +OK to STLS, in the same segment,
// as a man in the middle does (CVE-2011-0411 and its family).
func InjectAfterSTLS(plaintext string) Fault {
	return Fault{On: "STLS", Always: true, Do: Append(plaintext)}
}
