//go:build faults && unix

package fetch_test

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/gmail"
	"github.com/mailhaul/mailhaul/deliver/gmail/gmailtest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// gmailTarget is the mailbox at a URL, for accounts with their state in dir.
func gmailTarget(url, dir string) deliver.Deliverer {
	return gmail.New(gmail.Options{Base: url, Units: 1 << 20, Labels: []string{"INBOX", "Old/Mail"},
		Settle: 150 * time.Millisecond, Lag: 700 * time.Millisecond, Patience: 4 * time.Second,
		Claims: filepath.Join(dir, "claims"),
		Web:    web.Options{Name: "gmail", Dial: new(net.Dialer).DialContext}})
}

// gmailServers differ in what a lost answer can be looked up by.
var gmailServers = map[string]func(s *gmailtest.Server){
	"history":            func(*gmailtest.Server) {},
	"search only":        func(s *gmailtest.Server) { s.NoHistory = true },
	"search that lags":   func(s *gmailtest.Server) { s.NoHistory, s.Lag = true, 400*time.Millisecond },
	"one copy":           func(s *gmailtest.Server) { s.Dedupe, s.Lag = true, 400*time.Millisecond },
	"every answer lost":  func(s *gmailtest.Server) { s.Fault = everyAnswerLost },
	"half of them a 502": func(s *gmailtest.Server) { s.Fault = halfBroken },
}

func everyAnswerLost(call string, _ int) *gmailtest.Fault {
	if call == "import" {
		return &gmailtest.Fault{Stored: true}
	}
	return nil
}

func halfBroken(call string, n int) *gmailtest.Fault {
	if call == "import" && n%2 == 1 {
		return &gmailtest.Fault{Stored: n%4 == 1, Status: 502, Plain: true}
	}
	return nil
}

// gmailCrash makes a crash with a mailbox of its own.
func gmailCrash(t *testing.T, set func(*gmailtest.Server), mutate string) *crash {
	s := gmailtest.New()
	s.Lax = true
	set(s)
	c := newCrashOf(t, 4, "none", mutate) // one more than a batch
	c.target = &crashKind{kind: "gmail", arg: s.Start(t), exact: true, copies: func(*crash) (list []string) {
		for _, m := range s.Messages() {
			list = append(list, string(bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n"))))
		}
		return list
	}}
	return c
}

// TestCrashOfGmail kills the fetch into Gmail at each step, and the recovery at some of
// its steps: each message is then there once, also if the search lags behind.
func TestCrashOfGmail(t *testing.T) {
	for name, set := range gmailServers {
		t.Run(name, func(t *testing.T) {
			crashInRecovery(t, func(t *testing.T) *crash { return gmailCrash(t, set, "") })
		})
	}
}

// TestGmailMutationsAreCaught proves that it can fail.
func TestGmailMutationsAreCaught(t *testing.T) {
	for mutation, server := range map[string]string{"no-intents": "history", "gmail-no-search": "history",
		"gmail-no-lag": "search that lags"} {
		t.Run(mutation, func(t *testing.T) {
			wantCaught(t, func() *crash { return gmailCrash(t, gmailServers[server], mutation) })
		})
	}
}
