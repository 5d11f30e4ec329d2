package imap

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Cause says what a delivery to a mailbox failed for.
type Cause uint8

const (
	// CauseOther is any other reason.
	CauseOther Cause = iota
	// Unreachable: no connection could be made. Lost: it broke. Silent: the server
	// did not answer in time. NoGreeting: it broke or was silent before the greeting,
	// without TLS. NotIMAP: what answered speaks another protocol, or
	// broke this one.
	Unreachable
	Lost
	Silent
	NoGreeting
	NotIMAP
	// TLSNotOffered: the server does not offer STARTTLS. TLSFailed: the handshake
	// failed; the reason is wrapped. Tampered: text came before it that must not.
	TLSNotOffered
	TLSFailed
	Tampered
	// Insecure: the secret is not sent without TLS. NoLogin: the server has none of
	// our logins.
	Insecure
	NoLogin
	// LoginRefused: it refused user or password. LoginLater: it takes no login now.
	LoginRefused
	LoginLater
	// MailboxRefused: it refuses the mailbox's name, or to create it. NoRight: we may
	// not append to it.
	MailboxRefused
	NoRight
	// Quota: the mailbox is full. Throttled: the server asks us to slow down; Pause
	// is for how long. Busy: it takes nothing now.
	Quota
	Throttled
	Busy
	// TooBig and Binary: the message is larger than the server's APPENDLIMIT, holds
	// NUL. Rejected: the server refuses this message.
	TooBig
	Binary
	Rejected
	// InDoubt: the reply was lost, and the mailbox could not be looked at since.
	InDoubt
	// Unserved: the server has a message and cannot hand it out: it breaks off each
	// time, or refuses.
	Unserved
	// ClientCertificate: the server does not take our certificate, or wants one.
	ClientCertificate
)

// Error is the cause of a failed step. Stage is a command, "greeting" or "login"; empty:
// the connection could not be made.
type Error = remote.Error[Cause]

// verdict is what a refusal means.
type verdict = remote.Verdict[Cause]

func causeOf(err error) Cause { return remote.CauseOf[Cause](err) }

// failure is an error in this package's form: "imap HOST:PORT: stage: cause".
func (o *Options) failure(class deliver.Class, cause Cause, stage string, err error) *deliver.Error {
	return verdict{Class: class, Cause: cause}.Failure(o.name(), stage, err)
}

// Stages that matter for what a refusal means. StageAppend is the delivery itself.
const (
	stageLogin   = "login"
	stageMailbox = "mailbox"
	StageAppend  = "APPEND"
)

// backoff is how Exchange asks for a pause.
var backoff = regexp.MustCompile(`(?i)suggested backoff time: *(\d{1,9}) *milliseconds`)

// dayLimit is how Gmail says, with the code of a full mailbox, that the account has
// sent enough for now: for an hour at least, and for a day at most.
var dayLimit = regexp.MustCompile(`(?i)exceeded command or bandwidth limits`)

// notConnected is Exchange's answer after a login that it took: IMAP is switched off for
// the mailbox, or it is not the user's.
var notConnected = regexp.MustCompile(`(?i)authenticated but not connected`)

// classify decides what a refusal means by its response code (RFC 5530), and by the
// few texts that are as good as a code. Other texts are not read: where it is not
// known what a refusal means, a message is tried again.
func classify(e *refusal) verdict {
	if m := backoff.FindStringSubmatch(e.r.text); m != nil {
		ms, _ := strconv.Atoi(m[1])
		return verdict{Class: deliver.Unavailable, Cause: Throttled, Pause: time.Duration(ms) * time.Millisecond}
	}
	switch {
	case dayLimit.MatchString(e.r.text):
		return verdict{Class: deliver.Unavailable, Cause: Throttled, Pause: time.Hour}
	case notConnected.MatchString(e.r.text):
		return verdict{Class: deliver.Denied, Cause: LoginRefused}
	case e.r.name == "BYE":
		return verdict{Class: deliver.Unavailable, Cause: Busy}
	}
	switch e.r.code {
	case "LIMIT", "THROTTLED":
		return verdict{Class: deliver.Unavailable, Cause: Throttled}
	case "UNAVAILABLE", "INUSE", "SERVERBUG":
		return verdict{Class: later(e.stage), Cause: cause(e.stage, Busy)}
	case "OVERQUOTA": // Gmail also says it of commands and bandwidth
		return verdict{Class: deliver.Unavailable, Cause: cause(e.stage, Quota)}
	case "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN":
		return verdict{Class: deliver.Denied, Cause: LoginRefused}
	}
	switch e.stage {
	case stageLogin:
		return verdict{Class: deliver.Denied, Cause: LoginRefused}
	case StageAppend:
		return classifyAppend(e.r)
	case stageMailbox:
		if e.r.code == "NOPERM" {
			return verdict{Class: deliver.CannotCreate, Cause: NoRight}
		}
		return verdict{Class: deliver.CannotCreate, Cause: MailboxRefused}
	}
	return verdict{Class: deliver.Unavailable}
}

// classifyAppend is classify for what only an APPEND is answered with.
func classifyAppend(r *reply) verdict {
	switch r.code {
	case "TOOBIG": // RFC 4469
		return verdict{Class: deliver.Never, Cause: TooBig}
	case "UNKNOWN-CTE": // RFC 3516
		return verdict{Class: deliver.Never, Cause: Rejected}
	case "NOPERM":
		return verdict{Class: deliver.CannotCreate, Cause: NoRight}
	case "CANNOT", "TRYCREATE", "NONEXISTENT":
		return verdict{Class: deliver.CannotCreate, Cause: MailboxRefused}
	}
	return verdict{Class: deliver.Failed, Cause: Rejected}
}

// later is the class of what may pass in a while: the message's while one is being
// appended, else the server's.
func later(stage string) deliver.Class {
	if stage == StageAppend {
		return deliver.Later
	}
	return deliver.Unavailable
}

// cause is c, or LoginLater during the login.
func cause(stage string, c Cause) Cause {
	if stage == stageLogin {
		return LoginLater
	}
	return c
}

// failed makes a delivery's failure of any error.
func (o *Options) failed(err error) *deliver.Error {
	var known *deliver.Error
	var no *refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &no):
		v := classify(no)
		e := v.Failure(o.name(), no.stage, errors.New(no.r.line()))
		e.Refused = no.stage == StageAppend
		return e
	case errors.Is(err, context.Canceled):
		return o.failure(deliver.Later, CauseOther, "", err)
	}
	return o.failure(deliver.Unavailable, CauseOther, "", err)
}
