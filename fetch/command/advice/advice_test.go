package advice

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
	"github.com/mailhaul/mailhaul/state"
)

// TestProviderRefusals: what a provider of tokens says, and what is said about it.
func TestProviderRefusals(t *testing.T) {
	for _, c := range []struct {
		err  oauth.Error
		says string
	}{
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "invalid_grant",
			Text: "Token has been expired or revoked."}, "7 days"},
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "invalid_client", Text: "Unauthorized"}, "Desktop app"},
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "invalid_request", Text: "client_secret is missing."},
			"client_secret"},
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "access_denied"}, "test users"},
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "admin_policy_enforced"}, "administrator"},
		{oauth.Error{Provider: "google", Flow: provider.Browser, Code: "policy_enforced"}, "Advanced Protection"},
		{oauth.Error{Provider: "google", Flow: provider.ServiceAccount, Code: "invalid_grant",
			Text: "Invalid JWT: Token must be a short-lived token"}, "clock"},
		{oauth.Error{Provider: "google", Flow: provider.ServiceAccount, Code: "invalid_grant", Text: "Invalid email or User ID"},
			"subject"},
		{oauth.Error{Provider: "google", Flow: provider.ServiceAccount, Code: "unauthorized_client",
			Text: "Client is unauthorized to retrieve access tokens"}, "delegation"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "50034"}, "tenant"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "50076"}, "ulti-factor"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "53003"}, "conditional access"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "65001"}, "onsent is missing"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "70000"}, "revoked"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "70008"}, "inactivity"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "700082"}, "90 days"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_client", Number: "7000215"}, "not its id"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_client", Number: "7000218"}, "public client"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "unauthorized_client", Number: "700016"}, "client_id"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "access_denied", Number: "90094"}, "administrator"},
		{oauth.Error{Provider: "microsoft", Flow: provider.Browser, Code: "invalid_grant", Number: "99999"}, "code=99999"},
		{oauth.Error{Provider: "microsoft-app", Flow: provider.ClientCredentials, Code: "invalid_client", Number: "700027"}, "certificate"},
		{oauth.Error{Provider: "microsoft-app", Flow: provider.ClientCredentials, Code: "invalid_grant", Number: "7000012"}, "tenant"},
		{oauth.Error{Provider: "yahoo", Flow: provider.Browser, Code: "invalid_grant"}, "revoked"},
		{oauth.Error{Kind: oauth.KindNeedsLogin, Account: "work"}, "Run `mailhaul login work`."},
		{oauth.Error{Skew: time.Hour}, "differs from this machine's by 1h0m0s: set the clock."},
		{oauth.Error{Kind: oauth.KindTemporary, Host: "login.test", Until: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			"login.test, asks to wait until 2026-01-02 03:04:05"},
		{oauth.Error{Kind: oauth.KindTemporary, Host: "login.test"}, "login.test, cannot be reached now"},
		{oauth.Error{Kind: oauth.KindTemporary, Status: 503}, "busy or down"},
		{oauth.Error{Kind: oauth.KindProtocol, Status: 200}, "is token_url right"},
		{oauth.Error{Kind: oauth.KindUntrusted}, "not of the mail server"},
		{oauth.Error{Op: oauth.OpSecret}, "client_secret could not be had"},
		{oauth.Error{Op: oauth.OpKeyring}, "tokens: file"},
		{oauth.Error{Op: oauth.OpStore, Err: fs.ErrPermission}, "run by the user who logged in"},
		{oauth.Error{Op: oauth.OpRevoke, Status: 400}, "end the access on the provider's account page"},
		{oauth.Error{Strays: 1}, "old tabs"},
		{oauth.Error{Err: oauth.ErrPort}, "redirect_port"},
		{oauth.Error{Err: oauth.ErrNoDevice}, "--paste"},
		{oauth.Error{Err: oauth.ErrNoAccess}, "its scope of mail"},
		{oauth.Error{Err: &oauth.ProxyError{Status: http.StatusProxyAuthRequired}}, "wants a user name and password"},
		{oauth.Error{Err: &oauth.ProxyError{Status: http.StatusForbidden}}, "its administrator must allow it"},
		{oauth.Error{Err: &oauth.ProxyError{}}, "is it the right one"},
		{oauth.Error{Provider: "google", Err: &oauth.NoRefreshError{}}, "myaccount.google.com/connections"},
		{oauth.Error{Provider: "microsoft", Err: &oauth.NoRefreshError{}}, "Add offline_access to scopes."},
		{oauth.Error{Provider: "microsoft", Err: &oauth.NoRefreshError{Offline: true}}, "scope for offline access"},
	} {
		err := fmt.Errorf("login (xoauth2): %w", &c.err)
		if text := Text(&pop3.LoginError{Login: "XOAUTH2", Err: err},
			Situation{Account: "other", OAuth: true}); !strings.Contains(text, c.says) {
			t.Errorf("%+v: no %q: %s", c.err, c.says, text)
		}
	}
}

// TestFileErrors: what the system says about a file, for a target and for the state.
func TestFileErrors(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.ENOLCK: "rpc.statd", syscall.EMFILE: "ulimit -n", syscall.ENFILE: "lower parallel", syscall.ENOSPC: "make room",
		syscall.EDQUOT: "quota",
		syscall.EROFS:  "mounted read-only", syscall.ENOTDIR: "`mbox:`", syscall.EXDEV: "one file system",
		syscall.ELOOP: "leads back to itself", syscall.EIO: "dmesg",
	} {
		target := &deliver.Error{Class: deliver.IOError, Err: &maildir.Error{Path: "/m",
			Err: &fs.PathError{Op: "lock", Path: "/m/new", Err: cause}}}
		if text := Text(target, Situation{Account: "work"}); !strings.Contains(text, want) {
			t.Errorf("%v of a target: %q", cause, text)
		}
		text := Text(&state.FileError{Path: "/s/a.db", Err: cause}, Situation{})
		if known := cause != syscall.EXDEV && cause != syscall.ELOOP && cause != syscall.EIO; text == "" ||
			known == strings.Contains(text, "dmesg") {
			t.Errorf("%v of the state: %q", cause, text)
		}
	}
}

// TestRows has an error for each row that no script meets, and what its sentence
// must hold. Wrapping must not hide the cause.
func TestRows(t *testing.T) {
	target := func(c deliver.Class, err error) error {
		return &deliver.Error{Class: c, Err: fmt.Errorf("here: %w", err)}
	}
	retr := func(text string) error { return &pop3.Error{Command: "RETR 1", Text: text} }
	for _, c := range []struct {
		err  error
		says string
	}{
		{target(deliver.CannotCreate, &deliver.GoneError{Path: "/m"}), "--create-target"},
		{target(deliver.CannotCreate, &durable.NotOursError{Path: "/m"}), "chmod go-w /m"},
		{target(deliver.CannotCreate, &durable.NotOursError{Path: "/m", Owner: "17"}), "who made it"},
		{target(deliver.IOError, &deliver.TempError{Err: syscall.ENOSPC}), "TMPDIR"},
		{target(deliver.CannotCreate, mbox.ErrLinks), "other names"},
		{target(deliver.Unavailable, mbox.ErrNotLocked), "lock it"},
		{target(deliver.CannotCreate, &mbox.LinkError{Err: fs.ErrNotExist}), "the link points to"},
		{target(deliver.CannotCreate, &mbox.LinkError{Untrusted: true, Err: errors.New("x")}), "Name the file"},
		{target(deliver.CannotCreate, &maildir.Error{Path: "/m", Recovering: true, Err: fs.ErrNotExist}), "Mount its volume"},
		{target(deliver.CannotCreate, &maildir.Error{Path: "/m", Err: fs.ErrNotExist}), "unmounted meanwhile"},
		{target(deliver.CannotCreate, &pipe.StartError{Err: fs.ErrNotExist}), "program in PATH"},
		{target(deliver.CannotCreate, &pipe.StatusError{Status: 67}), "no such user"},
		{target(deliver.Later, &pipe.StatusError{Status: 77}), "mailbox is full"},
		{target(deliver.Never, &pipe.StatusError{Status: 67}), ""},
		{target(deliver.Unavailable, errors.New("three in a row")), "until the target takes them"},
		{&fetch.PartialError{Failed: 1, First: retr("message is broken")}, "look at the message in the provider's web mail"},
		{&fetch.PartialError{Failed: 2, First: target(deliver.IOError, syscall.ENOSPC)},
			"make room. Messages stay on the server until there is some. -v names each of them."},
		{&state.FileError{Err: &state.VersionError{Have: 9, Want: 2}}, "or a later one"},
		{fmt.Errorf("read: %w", state.ErrNotState), "--salvage"},
		{&pop3.LoginError{Login: "GSSAPI", Err: &gssapi.TicketError{Problem: gssapi.ClockSkew, Err: errors.New("x")}}, "clock"},
		{&pop3.LoginError{Login: "GSSAPI", Err: &gssapi.TicketError{Err: errors.New("x")}}, "Run kinit"},
		{&pop3.LoginError{Login: "SCRAM-SHA-1-PLUS", Err: &sasl.BindingError{}}, "`auth: scram-sha-1`"},
		{&pop3.LoginError{Login: "PLAIN", Err: &pop3.Error{Command: "AUTH", Text: "Disk quota exceeded"}}, "The mailbox is full"},
		{&pop3.ProtocolError{Command: "greeting", Text: "220 ftp"}, "SMTP or FTP"},
		{&pop3.ProtocolError{Command: "greeting", Text: `\x15\x03`}, "tls: implicit"},
		{&pop3.ProtocolError{Command: "greeting", Text: "HTTP/1.1 400"}, "web server"},
		{exit.Config(errors.New("x")), "Nothing was fetched or changed. Fix this"},
		{exit.Usagef("x"), "`mailhaul help`"},
		{exit.Usage(Give(errors.New("x"), ListAccounts)), ListAccounts},
		{errors.New("x"), "Please report it"},
		{nil, ""},
	} {
		if text := Text(c.err, Situation{Account: "work"}); !strings.Contains(text, c.says) || c.says == "" && text != "" {
			t.Errorf("%v: no %q: %s", c.err, c.says, text)
		}
	}
	for why := fetch.WhyOther + 1; why <= fetch.WhyNotDeleted; why++ {
		if text := Text(&fetch.Error{Exit: fetch.ExitTemp, Why: why, Err: errors.New("x")}, Situation{}); text == "" {
			t.Errorf("nothing is said about cause %d of the engine", why)
		}
	}
	for cause := smtp.CauseOther + 1; cause <= smtp.RecipientNeedsUTF8; cause++ {
		if relayTexts[cause] == "" {
			t.Errorf("nothing is said about cause %d of a relay", cause)
		}
	}
	if text := Text(exit.Config(errors.New("x")), Situation{Running: true}); strings.Contains(text, "Nothing was") {
		t.Error(text)
	}
}

// TestWithoutConfiguration: after --from no command is named that wants a
// configuration, unless the text says so.
func TestWithoutConfiguration(t *testing.T) {
	file, bare := Situation{Account: "work"}, Situation{Account: "a@h", Bare: true}
	for _, c := range []struct {
		err      error
		at       Situation
		says     string
		saysElse string
	}{
		{&pop3.ConnError{Command: "greeting", Err: io.EOF}, file, "If the port speaks TLS from the start, use tls: implicit.", ""},
		{&pop3.ConnError{Command: "greeting", Err: io.EOF}, bare, "If the port speaks TLS from the start, use --from pop3s://.", ""},
		{&pop3.ConnError{Command: "greeting", Err: io.EOF}, Situation{Account: "work", Implicit: true}, "blocks this address", "tls:"},
		{&pop3.ConnError{Command: "UIDL", Err: io.EOF}, file, "`mailhaul check --connect`", ""},
		{&pop3.ConnError{Command: "UIDL", Err: io.EOF}, bare, "-vv shows the dialogue", "mailhaul"},
		{&pop3.LoginError{Login: "PLAIN", Err: errors.New("x")}, file, "`mailhaul check --connect`", ""},
		{&pop3.LoginError{Login: "PLAIN", Err: errors.New("x")}, bare, "`auth` in a configuration file", "mailhaul"},
		{&fetch.Error{Exit: fetch.ExitTemp, Why: fetch.WhyInUse, Err: errors.New("x")}, file, "`mailhaul status`", ""},
		{&fetch.Error{Exit: fetch.ExitTemp, Why: fetch.WhyInUse, Err: errors.New("x")}, bare, "use --wait 10m.", "mailhaul"},
		{&session.UnknownMailError{}, file, "`mailhaul state forget work --all`", "These commands"},
		{&session.UnknownMailError{}, bare, "`mailhaul state forget ACCOUNT --all`", "a@h"},
		{&session.UnknownMailError{}, bare, "These commands want the account in a configuration file", ""},
		{&state.FileError{Err: state.ErrNotState}, bare, "These commands want the account in a configuration file", ""},
		{fmt.Errorf("read: %w", state.ErrNotState), bare, "These commands want the account in a configuration file", ""},
		{exit.Config(errors.New("x")), bare, "Fix this and run it again.", "mailhaul check"},
	} {
		if text := Text(c.err, c.at); !strings.Contains(text, c.says) || c.saysElse != "" && strings.Contains(text, c.saysElse) {
			t.Errorf("%v, %+v: want %q, not %q: %s", c.err, c.at, c.says, c.saysElse, text)
		}
	}
}

// TestSentences: each text of a fixed table is whole sentences.
func TestSentences(t *testing.T) {
	var texts []string
	for _, text := range relayTexts {
		texts = append(texts, text)
	}
	for _, text := range whyTexts {
		texts = append(texts, text)
	}
	for _, text := range statusTexts {
		texts = append(texts, text)
	}
	for _, c := range codeTexts {
		texts = append(texts, c.text)
	}
	for _, text := range texts {
		if first := rune(text[0]); unicode.IsLower(first) || !strings.ContainsAny(text[len(text)-1:], ".?") {
			t.Errorf("no sentence: %q", text)
		}
	}
}
