package pop3

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

var (
	// ErrProtocol is what every *ProtocolError is.
	ErrProtocol = errors.New("server broke the protocol")
	// ErrInsecure is in the error of a login that would have needed TLS.
	ErrInsecure = errors.New("no TLS, and insecure logins are not allowed")
	// ErrClosed is returned by every call after Quit or Close.
	ErrClosed = errors.New("session is closed")
	// ErrAbandoned is returned by every call after a callback's error ended a
	// command while more replies were outstanding.
	ErrAbandoned = errors.New("session was abandoned in mid-command")

	// ErrEnough from a RetrieveFunc: no more RETR is sent. The replies that are
	// under way are read, and the function is called for them; then Retrieve
	// returns it, and the session goes on.
	ErrEnough = errors.New("no more messages are wanted")

	errBodyTooLong = errors.New("message is endless, or far longer than the server said")
)

// Error is a server's refusal: its -ERR reply. The session goes on.
type Error struct {
	// Command is what was refused, without secrets: "RETR 12", "greeting".
	Command string
	// Code is the response code, and Text what follows it, escaped and cut.
	Code RespCode
	Text string
	// Raw is the code as sent, escaped; empty if there was none.
	Raw string
}

// Error implements error.
func (e *Error) Error() string {
	text := strings.TrimSpace(e.Raw + " " + e.Text)
	if text == "" {
		text = "no reason given"
	}
	return strings.ToLower(e.Command) + ": server refused: " + text
}

// Temporary reports whether the same may work later: by the code, and without
// one that we know, by the words of the text.
func (e *Error) Temporary() bool {
	switch e.Code {
	case InUse, LoginDelay, SysTemp:
		return true
	case SysPerm, Auth, UTF8:
		return false
	}
	if e.ofLogin() {
		return e.Refusal() == RefusedForNow
	}
	return hintsTemporary(e.Text)
}

// Hint says what a person may do about it; empty if we do not know.
func (e *Error) Hint() string {
	switch e.Code {
	case InUse:
		return "another session holds the mailbox: close other mail programs; after a broken connection servers keep it locked for some minutes"
	case LoginDelay:
		return "the server wants a pause between logins: run less often"
	case SysPerm:
		return "the provider has to put this right: ask its support"
	case UTF8:
		return "the server sends this message only in its UTF8 mode: see `utf8` in mailhaul.yaml(5)"
	}
	if e.Temporary() {
		return "the server says that this will pass: nothing has to be done"
	}
	return ""
}

func newError(command string, text []byte) *Error {
	code, rest := parseRespCode(strings.TrimSpace(string(text)))
	e := &Error{Command: command, Code: code, Text: escape(rest)}
	if code != None {
		raw, _, _ := strings.Cut(strings.TrimSpace(string(text)), "]")
		e.Raw = escape(raw + "]")
	}
	return e
}

// ProtocolError means that the server sent what POP3 does not allow. Every
// later call on the client fails with the same error.
type ProtocolError struct {
	// Command is the command at whose reply it happened.
	Command string
	// Problem is what was wrong, and Text the reply, escaped and cut, if
	// there is one to show.
	Problem, Text string

	pipelined bool
}

// Error implements error.
func (e *ProtocolError) Error() string {
	s := strings.ToLower(e.Command) + ": server broke the protocol: " + e.Problem
	if e.Text != "" {
		s += `: "` + e.Text + `"`
	}
	return s
}

// Is makes errors.Is(err, ErrProtocol) hold.
func (e *ProtocolError) Is(target error) bool { return target == ErrProtocol }

// Hint recognises services that are not POP3.
func (e *ProtocolError) Hint() string {
	switch {
	case strings.HasPrefix(e.Text, "* "):
		return "this looks like an IMAP server; POP3 is on port 995 or 110"
	case strings.HasPrefix(e.Text, "220"):
		return "this looks like an SMTP or FTP server; POP3 is on port 995 or 110"
	case strings.HasPrefix(e.Text, `\x15\x03`), strings.HasPrefix(e.Text, `\x16\x03`):
		return "the server speaks TLS from the start on this port: use tls: implicit, or --from pop3s://"
	case strings.HasPrefix(e.Text, "HTTP/"):
		return "this looks like a web server or a proxy; POP3 is on port 995 or 110"
	}
	if e.Command == "greeting" {
		return "is this a POP3 server and its port (995 or 110)?"
	}
	return "try again; if it stays, -vv shows the dialogue with the server"
}

// ConnError means that the connection broke: it ended too early, a limit of
// Server ran out, or the context ended (context.Canceled or DeadlineExceeded
// is then inside). Every later call on the client fails with the same error.
type ConnError struct {
	// Command is what was waited for.
	Command string
	Err     error

	pipelined bool
	waited    time.Duration // for the reply to QUIT
}

// Error implements error.
func (e *ConnError) Error() string {
	text := e.Err.Error()
	switch {
	case hungUp(e.Err):
		text = "server closed the connection"
	case e.waited > 0:
		text = fmt.Sprintf("timeout: no answer in %s", e.waited.Round(time.Second/10))
	}
	return strings.ToLower(e.Command) + ": " + text
}

// Unwrap returns the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// Timeout reports whether a time limit ended it.
func (e *ConnError) Timeout() bool { return errors.Is(e.Err, os.ErrDeadlineExceeded) }

// Temporary is true: a later run may fare better.
func (*ConnError) Temporary() bool { return true }

// Hint knows the silent greeting of a port that wants TLS, and a server that
// wants no connection from here.
func (e *ConnError) Hint() string {
	switch {
	case e.Command == "greeting" && e.Timeout():
		return "the server says nothing: perhaps this port wants TLS from the start (tls: implicit, or --from pop3s://), or it is overloaded"
	case e.Command == "greeting" && hungUp(e.Err):
		return "the server wants no connection from here now: too many at a time, or too many failed logins? try again later"
	case errors.Is(e.Err, errSessionTime):
		return "`timeouts.session` in mailhaul.yaml(5) is how long a session may take"
	case strings.HasPrefix(e.Command, "RETR ") && e.Timeout():
		return "a server, or a scanner on the way, that reads all of a message before it sends any needs more time: use a longer `timeout` in mailhaul.yaml(5)"
	case e.Command == "QUIT" && e.Timeout():
		return "a server that deletes slowly needs more time to answer QUIT: use a longer `timeout` in mailhaul.yaml(5)"
	}
	return cmp.Or(hintOf(e.Err), "the network or the server is in trouble; if it stays, `mailhaul check --connect` names the step that fails")
}

// RetrieveError means that the session broke at the reply to RETR or TOP of one
// message: while it was waited for, or in the middle of it.
type RetrieveError struct {
	Message Message
	// Ahead are the messages that had been asked for behind that one: with any,
	// it may be another one that the server broke at.
	Ahead []Message
	// Unsure are the messages before it that may not be whole (Client.Sure).
	Unsure []Message
	// Err is a *ConnError, *ProtocolError, *TLSError or *DoubtError.
	Err error
}

// Error implements error.
func (e *RetrieveError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetrieveError) Unwrap() error { return e.Err }

// ClosedError means that the server refused a message and then closed the
// connection, without an answer to what was sent after it.
type ClosedError struct {
	Refused *Error
	Err     error // as without the refusal
}

// Error implements error.
func (e *ClosedError) Error() string {
	return e.Refused.Error() + ", and then closed the connection"
}

// Unwrap returns the error of the connection.
func (e *ClosedError) Unwrap() error { return e.Err }

// closedAfter adds the refusal, if there was one, that a server hung up after.
func closedAfter(refused *Error, err error) error {
	var conn *ConnError
	if refused == nil || !errors.As(err, &conn) || !hungUp(conn.Err) {
		return err
	}
	return &ClosedError{refused, err}
}

// PipelineRejected reports whether err looks like that of a server that
// announces PIPELINING and then hangs up, falls silent or talks nonsense when
// commands are sent ahead. A second try with PipelineOff is worth it.
func PipelineRejected(err error) bool {
	var conn *ConnError
	if errors.As(err, &conn) && conn.pipelined {
		return true
	}
	var proto *ProtocolError
	return errors.As(err, &proto) && proto.pipelined
}

// CapaError means that CAPA was refused, or that the server hung up or fell
// silent at it. In the first case the session goes on without capabilities
// (see Client.CapaError); in the second a new session with Server.NoCapa is
// worth a try.
type CapaError struct {
	// Err is an *Error (refused) or a *ConnError.
	Err error
}

// Error implements error.
func (e *CapaError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CapaError) Unwrap() error { return e.Err }

// Refused reports whether it was an -ERR.
func (e *CapaError) Refused() bool {
	var refused *Error
	return errors.As(e.Err, &refused)
}

// QuitError means that the server answered QUIT with -ERR: some of the
// messages marked for deletion may still be there (RFC 1939 section 6).
type QuitError struct{ Err *Error }

// Error implements error.
func (e *QuitError) Error() string {
	return e.Err.Error() + " (some deletions may not have been done)"
}

// Unwrap returns the server's refusal.
func (e *QuitError) Unwrap() error { return e.Err }

// label names a command for an error.
func label(name string, num int) string {
	if num <= 0 {
		return name
	}
	return fmt.Sprintf("%s %d", name, num)
}
