package pop3

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
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
	return strings.ToLower(e.Command) + ": server refused: " + cmp.Or(strings.TrimSpace(e.Raw+" "+e.Text), "no reason given")
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

// SessionOver reports whether that was the limit for the whole session.
func (e *ConnError) SessionOver() bool { return errors.Is(e.Err, errSessionTime) }

// HungUp reports whether the server closed the connection.
func (e *ConnError) HungUp() bool { return hungUp(e.Err) }

// Temporary is true: a later run may fare better.
func (*ConnError) Temporary() bool { return true }

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
	return errors.As(e.Err, new(*Error))
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

func isErrno(err error, want syscall.Errno) bool {
	var got syscall.Errno
	return errors.As(err, &got) && got == want
}

// hungUp reports whether err says that the other side ended the connection,
// regularly or by a reset: which of the two is seen is a matter of chance.
func hungUp(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || isErrno(err, errnoReset) || isErrno(err, errnoPipe)
}
