package advice

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// TestMailbox: whatever the mailbox of a target says or lacks, the advice says that
// it is about that one, and nothing of POP3.
func TestMailbox(t *testing.T) {
	at := Situation{Account: "work", Host: "pop.example.org", Implicit: true}
	bare := Situation{Account: "work", Bare: true, Host: "pop.example.org"}
	for cause := imap.Unreachable; cause <= imap.ClientCertificate; cause++ {
		err := &deliver.Error{Class: deliver.Unavailable, Err: &imap.Error{Cause: cause, Err: errors.New("imap h:993: x")}}
		for _, where := range []Situation{at, bare} {
			for _, e := range []error{err, &commit.RecoveryError{Err: err}} {
				if text := Text(e, where); !strings.HasPrefix(text, otherSide) || strings.Contains(text, "POP3") ||
					strings.Contains(text, "--from") {
					t.Errorf("%d: %q", cause, text)
				}
			}
		}
	}
	for _, c := range []struct {
		err  error
		says string
		not  string
	}{
		{&imap.Error{Cause: imap.Throttled, Pause: 5 * time.Minute, Err: errors.New("x")}, "a pause of 5m.", ""},
		{&imap.Error{Cause: imap.NoGreeting, Err: errors.New("x")}, "`tls: implicit`, --to imaps://", "next run looks"},
		{&imap.Error{Cause: imap.Unreachable, Err: &pop3.DialError{Kind: pop3.DialRefused, Err: syscall.ECONNREFUSED}},
			"143 for STARTTLS", "995"},
		{&imap.Error{Cause: imap.Unreachable, Err: &pop3.DialError{Kind: pop3.DialDNS, Err: syscall.ECONNREFUSED}}, "imap.DOMAIN", "pop."},
		{&imap.Error{Cause: imap.Unreachable, Err: &pop3.DialError{Via: "proxy p:1080", Kind: pop3.DialRefused,
			Err: syscall.ECONNREFUSED}}, "proxy: of the target", ""},
		{&imap.Error{Cause: imap.TLSFailed, Err: &pop3.TLSError{Kind: pop3.TLSUnknownAuthority, Err: errors.New("x")}},
			"ca_file of the target", "--ca-file"},
		{&imap.Error{Cause: imap.TLSFailed, Err: &pop3.TLSError{Kind: pop3.TLSNotSpoken, Err: errors.New("x")}}, "port 143", "STLS on"},
		{&imap.Error{Cause: imap.TLSFailed, Err: &pop3.TLSError{Kind: pop3.TLSWrongHost, Err: errors.New("x")}},
			"server_name of the target", ""},
		{&imap.Error{Cause: imap.TLSFailed, Err: &pop3.TLSError{Kind: pop3.TLSPinMismatch, Err: errors.New("x")}}, "pin of the target", ""},
	} {
		for _, where := range []Situation{at, bare} {
			text := Text(&deliver.Error{Class: deliver.Unavailable, Err: c.err}, where)
			if !strings.HasPrefix(text, otherSide) || !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("%v: %q, want %q", c.err, text, c.says)
			}
		}
	}
}

// TestMailboxExit: who lets us not in needs a person, who is away comes back.
func TestMailboxExit(t *testing.T) {
	for class, want := range map[deliver.Class]fetch.Exit{deliver.Denied: fetch.ExitAuth, deliver.Unavailable: fetch.ExitTemp,
		deliver.CannotCreate: fetch.ExitCannotWrite} {
		err := &deliver.Error{Class: class, Err: &imap.Error{Err: &pop3.DialError{Err: syscall.ECONNREFUSED}}}
		for _, e := range []error{err, &commit.RecoveryError{Err: err}} {
			if got := fetch.ExitOf(e); got != want {
				t.Errorf("%d: %d, want %d", class, got, want)
			}
		}
	}
}
