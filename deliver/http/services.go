package http

// presets are the services, in the order of the manual. docs/services.md says where each
// row comes from.
var presets = []preset{
	{name: "raw", form: raw, media: "message/rfc822", secret: place{sign: true}, own: true, answers: ownAnswers, probe: ownProbe},
	{name: "multipart", form: multipart, field: "message", file: "message.eml", media: "message/rfc822",
		secret: place{sign: true}, own: true, answers: ownAnswers, probe: ownProbe},

	// Action Mailbox's relay ingress: inbound_emails_controller.rb, relayer.rb.
	{name: "rails", path: "/rails/action_mailbox/relay/inbound_emails", form: raw, media: "message/rfc822", lf: true,
		secret: place{user: "actionmailbox"},
		answers: []answer{
			{low: 204, means: delivered},
			{low: 415, means: never, cause: Refused},
			{low: 422, means: never, cause: Refused},
		},
		// The ingress and the password are looked at first, and a text is no message.
		probe: probe{method: "POST", media: "text/plain", good: []int{415}}},

	// Redmine: mail_handler_controller.rb, rdm-mailhandler.rb. MailHandler.safe_receive
	// catches every exception, so that 422 is also a database that is busy.
	{name: "redmine", path: "/mail_handler", form: urlencoded, field: "email", secret: place{field: "key"},
		answers: []answer{
			{low: 201, means: delivered},
			{low: 400, means: never, cause: Refused}, // it holds bytes that are not UTF-8
			{low: 422, means: either, cause: Undecided},
		},
		// The key is looked at first, and without a message nothing is received.
		probe: probe{method: "POST", good: []int{422}}},

	// Discourse: handle_mail of admin/email_controller.rb, mail-receiver. Api-Key needs the
	// scope for it; another user is a header of the configuration.
	{name: "discourse", path: "/admin/email/handle_mail", form: urlencoded, field: "email_encoded", base64: true, lf: true,
		secret: place{header: "Api-Key"}, headers: []Pair{{"Api-Username", "system"}},
		answers: []answer{
			{low: 200, high: 299, means: delivered},
			{low: 400, means: never, cause: Refused},
		},
		// Without a message a parameter is missing.
		probe: probe{method: "POST", good: []int{400}}},

	// Request Tracker: REST/1.0/NoAuth/mail-gateway, rt-mailgate. The status is 200
	// whatever happens; the body has the verdict.
	{name: "rt", path: "/REST/1.0/NoAuth/mail-gateway", form: multipart, field: "message", media: "application/octet-stream", lf: true,
		answers: []answer{
			{low: 200, high: 299, says: "ok", means: delivered},
			{low: 200, high: 299, says: "not ok", means: never, cause: Refused},
			{low: 200, high: 299, says: "temporary failure", means: later, cause: Postponed},
		},
		// An action that there is not is refused before anything else is looked at.
		probe: probe{method: "POST", fields: []Pair{{"action", "mailhaulprobe"}}, good: []int{200}, says: "temporary failure"}},

	// osTicket: api.tickets.php, class.api.php. 403 is a filter or the ban list; a web
	// server that refuses all requests says so with a page.
	{name: "osticket", path: "/api/tickets.email", form: raw, media: "message/rfc822", lf: true, secret: place{header: "X-API-Key"},
		answers: []answer{
			{low: 201, means: delivered},
			{low: 403, page: true, means: denied, cause: LoginRefused},
			{low: 400, means: never, cause: Refused},
			{low: 403, means: never, cause: Refused},
			{low: 415, high: 417, means: never, cause: Refused},
		},
		probe: ownProbe},

	// Paperless-ngx: post_document and tasks of its API. 200 means that the document waits
	// in a queue; its task says what became of it.
	{name: "paperless", path: "/api/documents/post_document/", form: multipart, field: "document", file: "message.eml",
		media: "message/rfc822", secret: place{header: authorization, prefix: "Token "},
		answers: []answer{
			{low: 200, means: queued},
			{low: 400, says: `{"document":["File type`, means: stop, cause: NoMailType},
			{low: 400, says: `{"document":`, means: never, cause: Refused},
			// Else it is a field of the configuration, or Django refuses the host name.
			{low: 400, means: stop, cause: Unexpected},
		},
		probe: probe{method: "GET", path: tasksPath + "mailhaul-probe", good: []int{200}}},
}

// ownProbe is for endpoints that promise nothing about other requests: any answer but a
// refused login shows that the way there is open.
var ownProbe = probe{method: "HEAD"}

// ownAnswers are those of an endpoint of one's own.
var ownAnswers = []answer{
	{low: 200, high: 299, means: delivered},
	{low: 400, means: never, cause: Refused},
	{low: 415, means: never, cause: Refused},
	{low: 422, means: never, cause: Refused},
}
