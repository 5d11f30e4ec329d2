package advice

import (
	"github.com/mailhaul/mailhaul/deliver/gmail"
)

// gmailRows are for Gmail mailboxes that are targets. They come before the rows for
// servers.
func gmailRows() []row {
	return []row{of(func(e *gmail.Error, at Situation) string {
		return ofRequest(e, at, otherSide, "Gmail", gmailTexts[e.Cause], e.Pause)
	})}
}

var gmailTexts = map[gmail.Cause]string{
	gmail.LoginRefused: "Google took back the login, or its token is for another service: " +
		"run `mailhaul login` with the name of the login again.",
	gmail.NoScope: "The login does not permit this. It needs Google's scopes gmail.insert, gmail.labels and gmail.readonly: leave out " +
		"`scopes`, log in again, and tick every box on Google's page.",
	gmail.Policy: "The administrator of the domain does not let this client use Gmail: the client_id must be allowed (API controls).",
	gmail.APIOff: "The Gmail API is not enabled in the project of the client_id: enable it in Google's console, and wait a few minutes.",
	gmail.MailOff: "The account has no Gmail mailbox, or it is off; of a service account: set `user` of the target to the mailbox's " +
		"address.",
	gmail.Throttled:  "Gmail takes no more calls for now; nothing has to be done. " + fromElsewhere,
	gmail.DailyLimit: "The limit of today is reached; nothing has to be done. " + fromElsewhere,
	gmail.Busy:       "Gmail takes nothing now; nothing has to be done. " + fromElsewhere,
	gmail.NotGmail:   "What answers there is not Gmail's API: remove `server` of the target, or correct it; a proxy may have answered.",
	gmail.LabelRefused: "Gmail does not take this label: set other `labels` of the target. " +
		"A mailbox has at most 10,000, and some names are Gmail's own.",
	gmail.TooBig: "Gmail takes no message of this size. With `method: import` the limit is 150 MiB, with insert 50 MiB; " +
		"deliver larger ones " +
		"to a Maildir.",
	gmail.Rejected: "Gmail does not take this message: it wants one valid From field, and no programs as attachments. " +
		"Some that it refuses " +
		"pass with `method: insert`.",
	gmail.InDoubt: "Gmail's search may not show yet what has arrived. The next run looks again before it delivers anything.",
}
