package jmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Cause says what a delivery to a mailbox failed for.
type Cause uint8

const (
	// CauseOther is any other reason; a *web.Error says why there was no answer.
	CauseOther Cause = iota
	// NotJMAP: what answered is no JMAP server, or broke the protocol. NoMail: it
	// offers no mail to this login.
	NotJMAP
	NoMail
	// OtherHost: the server names another host, which must not get the login.
	OtherHost
	// LoginRefused: it refused the login.
	LoginRefused
	// MailboxRefused: there is no such mailbox, and it cannot be created. NoRight: we
	// may not add messages.
	MailboxRefused
	NoRight
	// Quota: the account is full. Throttled: the server asks us to slow down. Busy: it
	// takes nothing now.
	Quota
	Throttled
	Busy
	// TooBig: the message is larger than the server takes. Rejected: the server refuses
	// this message. Exists: it has another message that it holds for the same one.
	TooBig
	Rejected
	Exists
	// InDoubt: the reply was lost, and nobody could look since.
	InDoubt
)

// Error is the cause of a failed step; its text names the server.
type Error struct {
	Cause Cause
	// Host is the other one of OtherHost.
	Host string
	// Pause is how long the server wants to be left alone; zero: it does not say.
	Pause time.Duration
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }

// SizeError says that a message is larger than the server takes.
type SizeError struct{ Limit int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the message is larger than the %d octets that the server takes", e.Limit)
}

// failure is an error in this package's form: "jmap HOST: stage: cause".
func (o *Options) failure(class deliver.Class, cause Cause, stage string, err error) *deliver.Error {
	if stage != "" {
		err = fmt.Errorf("%s: %w", stage, err)
	}
	return &deliver.Error{Class: class, Err: &Error{Cause: cause, Err: fmt.Errorf("%s: %w", o.Name, err)}}
}

// Stages that matter for what a refusal means.
const (
	stageSession = "session"
	stageMailbox = "mailbox"
	stageUpload  = "upload"
	stageImport  = "Email/import"
)

// refusal is what a server says no with: the problem of a request (RFC 7807, RFC 8620
// section 3.6.1), the error of a method (3.6.2), or a SetError (5.3).
type refusal struct {
	stage string
	// status is that of HTTP; 0: the request as a whole was taken.
	status int
	// kind is the type, without the prefix of JMAP's problems; limit what it is about.
	kind, limit string
	detail      string
	properties  []string
	existing    string // existingId
	pause       time.Duration
}

// problemPrefix is that of the types of RFC 8620.
const problemPrefix = "urn:ietf:params:jmap:error:"

func (r *refusal) Error() string {
	text := r.kind
	if r.status != 0 {
		text = strings.TrimSpace(fmt.Sprintf("HTTP %d %s", r.status, r.kind))
	}
	if r.limit != "" {
		text += " " + r.limit
	}
	if len(r.properties) > 0 {
		text += " (" + strings.Join(r.properties, ", ") + ")"
	}
	if r.detail != "" {
		text += ": " + r.detail
	}
	return clean(text)
}

// clean escapes what must not reach a terminal, and bounds a server's text.
func clean(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "..."
	}
	s = fmt.Sprintf("%q", strings.ToValidUTF8(s, "?"))
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
}

// verdict is what a refusal means.
type verdict struct {
	class deliver.Class
	cause Cause
}

// classify decides what a refusal means by status and type. Texts are not read: where
// it is not known what a refusal means, the message is tried again.
func classify(r *refusal) verdict {
	if v, ok := byKind[r.kind]; ok {
		if v.class == deliver.Never && r.stage != stageUpload && r.stage != stageImport {
			v.class = deliver.Unavailable // it is not about a message
		}
		return v
	}
	switch {
	case r.kind == "limit" && r.limit == "maxSizeUpload", r.status == 413 && r.stage == stageUpload:
		return verdict{deliver.Never, TooBig}
	case r.kind == "limit", r.status == 429:
		return verdict{deliver.Unavailable, Throttled}
	case r.status == 401, r.status == 403:
		return verdict{deliver.Denied, LoginRefused}
	case r.status == 500 && r.stage == stageUpload: // Cyrus says it of a message that it cannot store
		return verdict{deliver.Failed, Rejected}
	case r.status == 507: // RFC 4918
		return verdict{deliver.Later, Quota}
	case r.status >= 500, r.status == 408:
		return verdict{deliver.Unavailable, Busy}
	case r.stage == stageUpload: // Stalwart has limits of its own on blobs that are not used yet
		return verdict{deliver.Later, Rejected}
	case r.status != 0:
		return verdict{deliver.Unavailable, NotJMAP}
	case r.stage == stageImport:
		return verdict{deliver.Failed, Rejected}
	case r.stage == stageMailbox:
		return verdict{deliver.CannotCreate, MailboxRefused}
	}
	return verdict{class: deliver.Unavailable}
}

// byKind are the types whose meaning the RFCs fix.
var byKind = map[string]verdict{
	"overQuota":                   {deliver.Later, Quota},
	"rateLimit":                   {deliver.Unavailable, Throttled},
	"tooLarge":                    {deliver.Never, TooBig},
	"invalidEmail":                {deliver.Never, Rejected},
	"alreadyExists":               {deliver.Never, Exists},
	"forbidden":                   {deliver.CannotCreate, NoRight},
	"accountReadOnly":             {deliver.CannotCreate, NoRight},
	"accountNotFound":             {deliver.CannotCreate, NoMail},
	"serverUnavailable":           {deliver.Unavailable, Busy},
	"unknownMethod":               {deliver.Unavailable, NoMail},
	"unknownCapability":           {deliver.Unavailable, NoMail},
	"notJSON":                     {deliver.Unavailable, NotJMAP},
	"notRequest":                  {deliver.Unavailable, NotJMAP},
	"invalidArguments":            {deliver.Unavailable, NotJMAP},
	"invalidResultReference":      {deliver.Unavailable, NotJMAP},
	"accountNotSupportedByMethod": {deliver.CannotCreate, NoMail},
}

// failed makes a delivery's failure of any error.
func (o *Options) failed(err error) *deliver.Error {
	if known, ok := errors.AsType[*deliver.Error](err); ok {
		return known
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		v := classify(no)
		e := o.failure(v.class, v.cause, no.stage, no)
		e.Pause, e.Refused = no.pause, no.status == 0 && no.stage == stageImport
		e.Err.(*Error).Pause = no.pause
		return e
	}
	if w, ok := errors.AsType[*web.Error](err); ok {
		class, cause := w.Class(), CauseOther
		if w.Cause == web.NotHTTP || w.Cause == web.TooLong {
			cause = NotJMAP
		}
		return &deliver.Error{Class: class, Err: &Error{Cause: cause, Err: err}}
	}
	if errors.Is(err, context.Canceled) {
		return o.failure(deliver.Later, CauseOther, "", err)
	}
	return o.failure(deliver.Unavailable, CauseOther, "", err)
}

// names reports whether a SetError is about one of these properties, or a part of one.
func (r *refusal) names(props ...string) bool {
	return r.kind == "invalidProperties" && slices.ContainsFunc(r.properties, func(p string) bool {
		p, _, _ = strings.Cut(p, "/")
		return slices.Contains(props, p)
	})
}

func causeOf(e error) Cause {
	if own, ok := errors.AsType[*Error](e); ok {
		return own.Cause
	}
	return CauseOther
}
