package jmap

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// Kind is the Intent.Kind of this package.
const Kind = "jmap"

// Options describe a mailbox. They are not changed after New.
type Options struct {
	// Client reaches the server, and has the login. Close closes it.
	Client *web.Client
	// Base is the server: "https://HOST:PORT". Hosts are others that may get the login
	// if the session names them, by TLS only; ".example.org" is all below that domain.
	Base  string
	Hosts []string
	// Name is how errors call the server.
	Name string

	// Mailbox is the role of a mailbox, or its name in UTF-8 with "/" between levels;
	// empty: inbox. It is created if it is missing.
	Mailbox string
	// Seen marks messages as read. Keywords are added if the server takes them.
	Seen     bool
	Keywords []string

	// Wait bounds the wait for the reply to messages; zero: 5 minutes.
	Wait time.Duration
	// Settle is how long a request whose reply was lost may still be carried out; zero:
	// 10 s.
	Settle time.Duration
	// Claims is the file of remote.Claims that all who deliver to this account share; empty:
	// nobody else does.
	Claims string
	// SpoolDir is where a batch is staged; empty: os.TempDir.
	SpoolDir string
	// Logger gets warnings; nil: none.
	Logger *slog.Logger

	claims *remote.Claims[string]
}

func (o Options) withDefaults() Options {
	o.Mailbox = cmp.Or(o.Mailbox, "inbox")
	o.Wait = cmp.Or(o.Wait, 5*time.Minute)
	o.Settle = cmp.Or(o.Settle, 10*time.Second)
	o.claims = cmp.Or(o.claims, &remote.Claims[string]{Path: o.Claims, Point: "jmap.claim", Parse: remote.Text})
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}
