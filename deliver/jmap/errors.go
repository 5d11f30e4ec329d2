package jmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
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

// Error is the cause of a failed step. Host is the other one of OtherHost.
type Error = remote.Error[Cause]

// verdict is what a refusal means.
type verdict = remote.Verdict[Cause]

func causeOf(err error) Cause { return remote.CauseOf[Cause](err) }

// failure is an error in this package's form: "jmap HOST: stage: cause".
func (o *Options) failure(class deliver.Class, cause Cause, stage string, err error) *deliver.Error {
	return verdict{Class: class, Cause: cause}.Failure(o.Name, stage, err)
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
	return remote.Clean(text)
}

// classify decides what a refusal means by status and type. Texts are not read: where
// it is not known what a refusal means, the message is tried again.
func classify(r *refusal) verdict {
	if v, ok := byKind[r.kind]; ok {
		if v.Class == deliver.Never && r.stage != stageUpload && r.stage != stageImport {
			v.Class = deliver.Unavailable // it is not about a message
		}
		return v
	}
	switch {
	case r.kind == "limit" && r.limit == "maxSizeUpload", r.status == 413 && r.stage == stageUpload:
		return verdict{Class: deliver.Never, Cause: TooBig}
	case r.kind == "limit", r.status == 429:
		return verdict{Class: deliver.Unavailable, Cause: Throttled}
	case r.status == 401, r.status == 403:
		return verdict{Class: deliver.Denied, Cause: LoginRefused}
	case r.status == 500 && r.stage == stageUpload: // Cyrus says it of a message that it cannot store
		return verdict{Class: deliver.Failed, Cause: Rejected}
	case r.status == 507: // RFC 4918
		return verdict{Class: deliver.Later, Cause: Quota}
	case r.status >= 500, r.status == 408:
		return verdict{Class: deliver.Unavailable, Cause: Busy}
	case r.stage == stageUpload: // Stalwart has limits of its own on blobs that are not used yet
		return verdict{Class: deliver.Later, Cause: Rejected}
	case r.status != 0:
		return verdict{Class: deliver.Unavailable, Cause: NotJMAP}
	case r.stage == stageImport:
		return verdict{Class: deliver.Failed, Cause: Rejected}
	case r.stage == stageMailbox:
		return verdict{Class: deliver.CannotCreate, Cause: MailboxRefused}
	}
	return verdict{Class: deliver.Unavailable}
}

// byKind are the types whose meaning the RFCs fix.
var byKind = map[string]verdict{
	"overQuota":                   {Class: deliver.Later, Cause: Quota},
	"rateLimit":                   {Class: deliver.Unavailable, Cause: Throttled},
	"tooLarge":                    {Class: deliver.Never, Cause: TooBig},
	"invalidEmail":                {Class: deliver.Never, Cause: Rejected},
	"alreadyExists":               {Class: deliver.Never, Cause: Exists},
	"forbidden":                   {Class: deliver.CannotCreate, Cause: NoRight},
	"accountReadOnly":             {Class: deliver.CannotCreate, Cause: NoRight},
	"accountNotFound":             {Class: deliver.CannotCreate, Cause: NoMail},
	"serverUnavailable":           {Class: deliver.Unavailable, Cause: Busy},
	"unknownMethod":               {Class: deliver.Unavailable, Cause: NoMail},
	"unknownCapability":           {Class: deliver.Unavailable, Cause: NoMail},
	"notJSON":                     {Class: deliver.Unavailable, Cause: NotJMAP},
	"notRequest":                  {Class: deliver.Unavailable, Cause: NotJMAP},
	"invalidArguments":            {Class: deliver.Unavailable, Cause: NotJMAP},
	"invalidResultReference":      {Class: deliver.Unavailable, Cause: NotJMAP},
	"accountNotSupportedByMethod": {Class: deliver.CannotCreate, Cause: NoMail},
}

// failed makes a delivery's failure of any error.
func (o *Options) failed(err error) *deliver.Error {
	if known, ok := errors.AsType[*deliver.Error](err); ok {
		return known
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		v := classify(no)
		v.Pause = no.pause
		e := v.Failure(o.Name, no.stage, no)
		e.Refused = no.status == 0 && no.stage == stageImport
		return e
	}
	if w, ok := errors.AsType[*web.Error](err); ok {
		class, cause := w.Class(), CauseOther
		if w.Cause == web.NotHTTP || w.Cause == web.TooLong {
			cause = NotJMAP
		}
		return &deliver.Error{Class: class, Err: &Error{Cause: cause, Err: err}}
	}
	class := deliver.Unavailable
	if errors.Is(err, context.Canceled) {
		class = deliver.Later
	}
	return o.failure(class, CauseOther, "", err)
}

// names reports whether a SetError is about one of these properties, or a part of one.
func (r *refusal) names(props ...string) bool {
	return r.kind == "invalidProperties" && slices.ContainsFunc(r.properties, func(p string) bool {
		p, _, _ = strings.Cut(p, "/")
		return slices.Contains(props, p)
	})
}
