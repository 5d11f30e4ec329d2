package fetch_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/recipient"
)

// TestSharedMailbox: each message goes to whom its header names, and to nobody
// else; one that names nobody stays, is reported, and holds up nothing.
func TestSharedMailbox(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, true)
	g := fetchtest.NewWithTargets(t, 0, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		script := `echo "$RECIPIENT $(sed -n 's/^Subject: //p')" >>` + g.Path("out")
		return []commit.Target{fetchtest.TargetAt(r, "everybody@x"), {ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{
			Command: []string{"/bin/sh", "-c", script}, To: []string{"everybody"}})}}
	})
	for i, field := range []string{"Delivered-To: list-alice@x", "X-Other: nobody@x", "Delivered-To: bob@x", "Delivered-To: a@x b@x"} {
		g.Drop.Add("", fmt.Appendf(nil, "%s\r\nTo: everybody@x\r\nSubject: %d\r\n\r\nx\r\n", field, i+1))
	}
	g.Account.Policy.Recipients = recipient.Rule{Headers: []string{"Delivered-To"}, Occurrence: 1, Strip: "list-"}
	s := g.Run()
	g.WantExit(s, fetch.ExitData, "2 messages failed and stay on the server; the first: no usable Delivered-To field (occurrence 1)")
	if !errors.As(s.Err, new(*commit.RecipientError)) || s.Fetched != 2 || g.Drop.Len() != 2 || s.Quarantined != 0 {
		t.Errorf("%+v, %d on the server", s, g.Drop.Len())
	}
	g.WantCopies("lmtp", r.Copies(), map[string]int{"alice@x 1": 1, "bob@x 3": 1})
	if got := g.Read(g.Path("out")); got != "alice@x 1\nbob@x 3\n" {
		t.Errorf("the command got %q", got)
	}
	g.Account.Policy.Recipients.Headers = []string{"X-Other"}
	g.WantExit(g.Run(), fetch.ExitData, "1 message failed")
	g.WantCopies("lmtp", r.Copies(), map[string]int{"alice@x 1": 1, "bob@x 3": 1, "nobody@x 2": 1})
}

// TestTraceNamesTheRecipient: the only one, and the recorded sum covers it.
func TestTraceNamesTheRecipient(t *testing.T) {
	t.Parallel()
	var got string
	r := smtptest.StartRelay(t, false)
	r.Answer(nil, func(_, message string) error { got = message; return nil })
	g := fetchtest.NewWithTargets(t, 0, pop3test.Options{},
		func(*fetchtest.Rig) []commit.Target { return []commit.Target{fetchtest.TargetAt(r, "x@y")} })
	g.Drop.Add("u", []byte("Return-Path: <s@t>\r\nDelivered-To: a@b\r\nReceived: from x by y; Sat, 29 Feb 2020 01:02:03 "+
		"+0000\r\n\r\nx\r\n"))
	g.Account.Policy.Received, g.Account.Policy.Recipients = true, recipient.Rule{Headers: []string{"Delivered-To"}}
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	if !strings.HasPrefix(got, "Received: from [127.0.0.1]\r\n\tby ") || !strings.Contains(got, "\r\n\tfor <a@b>;\r\n") ||
		strings.Count(got, "Received:") != 2 {
		t.Errorf("got %q", got)
	}
	if e, _ := g.Entry("u"); e.SHA256 != sha256.Sum256([]byte(strings.ReplaceAll(got, "\r\n", "\n"))) {
		t.Error("the recorded sum is not that of what was delivered")
	}
}
