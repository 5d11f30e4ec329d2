package advice

import (
	"github.com/mailhaul/mailhaul/deliver/http"
)

// httpRows are for services that take mail by HTTP. They come before the rows for
// servers.
func httpRows() []row {
	return []row{of(func(e *http.Error, at Situation) string {
		text := httpTexts[e.Cause]
		if e.Cause == http.LoginRefused {
			text += httpLogins[e.Preset]
		}
		return ofRequest(e, at, "This is the service that the mail goes to, not the mailbox that it comes from. ", "It", text, e.Pause)
	})}
}

var httpTexts = map[http.Cause]string{
	http.LoginRefused: "It refused the login: is `secret` of the target right?",
	http.NoEndpoint:   "Nothing takes mail there: check `url` and `preset` of the target, and that the service is set up to take mail.",
	http.Redirect: "Redirects are not followed, because mail and secret would go to another place: if that place is right, set " +
		"`url` of the target to it.",
	http.WebPage: "A web page is no answer to a program. A proxy, a login page or a page about maintenance may have answered: check " +
		"`url` of the target. Messages stay on the server until the service answers.",
	http.Unexpected: "The service does not answer so: check `url` and `preset` of the target. Messages stay on the server.",
	http.Early: "It took the message before it had all of it, so it has a part at most: it has to read all of a request before it answers. " +
		"The message is tried again a few times, and then quarantined.",
	http.Throttled: "It takes no more for now; nothing has to be done. " + fromElsewhere,
	http.Busy:      "It takes nothing now; nothing has to be done. " + fromElsewhere,
	http.ServerError: "It failed: its own log says why. Messages stay on the server, and are tried again; one that was taken before the failure " +
		"arrives twice if the service does not know it again.",
	http.Postponed: "It takes this message later.",
	http.TooBig:    "It takes no message of this size: raise the limit there (often that of the proxy before it), or deliver to a Maildir.",
	http.Refused:   "It does not take this message.",
	http.Undecided: "It does not say whether that is for good: its own log does. The message is tried again a few times, and then quarantined.",
	http.NoMailType: "It does not take mail as it is set up: Paperless-ngx needs Tika and Gotenberg for that " +
		"(PAPERLESS_TIKA_ENABLED).",
	http.Unfinished: "Nothing has to be done: the next run looks whether its task has ended, and does not send the message again before.",
	http.TaskFailed: "Its own log says why. The message is sent again a few times, and then quarantined.",
	http.TasksHidden: "The user of the token needs the permission to view tasks; without it nobody can know whether the message was stored. " +
		"It is not sent again before.",
	http.InDoubt: "Its answer was lost. The next run sends the message again: it arrives twice if it had arrived and the service does not " +
		"know it again.",
}

// httpLogins are where the services say what the secret is.
var httpLogins = map[string]string{
	"rails":   " It is action_mailbox.ingress_password of the application's credentials, or RAILS_INBOUND_EMAIL_PASSWORD.",
	"redmine": " It is the API key of Settings, Incoming emails, where the WS must be enabled.",
	"discourse": " It is an API key with the scope to receive mail; its user is the field Api-Username (system), which `headers` can " +
		"replace.",
	"osticket":  " An API key of osTicket is bound to the IP address of this machine, and needs the right to create tickets.",
	"paperless": " It is the token of a user who may add documents and view tasks.",
}
