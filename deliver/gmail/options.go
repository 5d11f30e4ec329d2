package gmail

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Kind is the Intent.Kind of this package.
const Kind = "gmail"

// space is that of Gmail's ids, for remote.Claims.
const space = "-"

// Largest messages of the two methods, in octets.
const (
	maxImport = 150 << 20
	maxInsert = 50 << 20
)

// Options describe a mailbox. They are not changed after New.
type Options struct {
	// Base is where the API is, such as https://gmail.googleapis.com.
	Base string
	// Web is how it is reached, with the token that logs in.
	Web web.Options
	// Labels are names of labels, with "/" between levels, or ids of Gmail's own ones.
	// Those that are missing are created. None: INBOX and UNREAD.
	Labels []string
	// Insert uses messages.insert in place of messages.import.
	Insert bool
	// NeverMarkSpam leaves messages out of the spam folder whatever Gmail thinks of them
	// (import only).
	NeverMarkSpam bool

	// Units is the quota of units in a minute; zero: 6000.
	Units int
	// Uploads is how many messages are uploaded at a time; zero: 6.
	Uploads int
	// Settle is how long a connection that broke off may still import what it has sent;
	// zero: 10 s. Lag is the age from which an import must be found by the search, where
	// that alone can be asked; zero: 2 minutes. Patience is how long a run waits until it
	// is known what became of a message; zero: 20 s.
	Settle, Lag, Patience time.Duration
	// Claims is the file of remote.Claims that all who deliver to this mailbox share; empty:
	// nobody else does.
	Claims string
	// SpoolDir is where a batch is staged; empty: os.TempDir.
	SpoolDir string
	// Logger gets warnings; nil: none.
	Logger *slog.Logger

	claims *remote.Claims[string]
}

// withDefaults fills what is left empty.
func (o Options) withDefaults() Options {
	if len(o.Labels) == 0 {
		o.Labels = []string{"INBOX", "UNREAD"}
	}
	o.Units = cmp.Or(o.Units, 6000)
	o.Uploads = cmp.Or(o.Uploads, 6)
	o.Settle = cmp.Or(o.Settle, 10*time.Second)
	o.Lag = cmp.Or(o.Lag, 2*time.Minute)
	o.Patience = cmp.Or(o.Patience, 20*time.Second)
	o.claims = cmp.Or(o.claims, &remote.Claims[string]{Path: o.Claims, Point: "gmail.claim", Parse: remote.Text})
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// method is the last word of the path of a delivery.
func (o *Options) method() string {
	if o.Insert {
		return "insert"
	}
	return "import"
}

// limit is the largest message.
func (o *Options) limit() int64 {
	if o.Insert {
		return maxInsert
	}
	return maxImport
}
