package fetch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// alarm is a message of a device: its header is always the same.
func alarm(body string) []byte {
	return []byte("From: device@test\r\nSubject: alarm\r\n\r\n" + body + "\r\n")
}

func hashed(t *testing.T, o pop3test.Options) *fetchtest.Rig {
	g := fetchtest.New(t, &pop3test.Maildrop{HashedUIDs: true}, o)
	g.Account.Policy.Keep.None = true
	return g
}

// wantBodies: each of them was delivered once, and nothing else.
func wantBodies(g *fetchtest.Rig, bodies ...string) {
	g.T.Helper()
	mail := g.Mail()
	for _, b := range bodies {
		if strings.Count(mail, "\n\n"+b+"\n") != 1 {
			g.T.Errorf("%q was not delivered once", b)
		}
	}
	if g.Delivered() != len(bodies) {
		g.T.Errorf("%d delivered, want %d", g.Delivered(), len(bodies))
	}
}

// TestEqualHeaderAnotherBody: a server whose unique-ids are made of the header. A
// new message gets the unique-id of one that is gone, however that went, and is
// delivered before it is deleted; also if it is as large.
func TestEqualHeaderAnotherBody(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for name, tc := range map[string]struct {
		keep   plan.Keep
		others bool // another program deletes the first message
		o      pop3test.Options
		left   int
	}{
		"deleted by us":              {plan.Keep{None: true}, false, pop3test.Options{}, 0},
		"deleted by us, no TOP":      {plan.Keep{None: true}, false, pop3test.Options{NoTOP: true}, 0},
		"deleted by us, no UIDL":     {plan.Keep{None: true}, false, pop3test.Options{NoUIDL: true}, 0},
		"deleted by us, neither":     {plan.Keep{None: true}, false, pop3test.Options{NoUIDL: true, NoTOP: true}, 0},
		"deleted by us, one by one":  {plan.Keep{None: true}, false, pop3test.Options{NoPipelining: true}, 0},
		"deleted by others, none":    {plan.Keep{None: true}, true, pop3test.Options{}, 0},
		"deleted by others, days":    {plan.Keep{Days: 1}, true, pop3test.Options{}, 1},
		"deleted by others, newest":  {plan.Keep{Newest: 1}, true, pop3test.Options{}, 1},
		"deleted by others, below":   {plan.Keep{Below: 1}, true, pop3test.Options{}, 0},
		"others, none, without UIDL": {plan.Keep{None: true}, true, pop3test.Options{NoUIDL: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := hashed(t, tc.o)
			now := time.Now()
			g.Fetcher.Now = func() time.Time { return now }
			g.Account.Policy.Keep = plan.Keep{None: !tc.others}
			g.Drop.Add("", alarm("one"))
			if s := g.Run(); s.Err != nil || s.Fetched != 1 {
				t.Fatalf("%+v", s)
			}
			if tc.others {
				g.Drop.Remove(0)
			}
			g.Drop.Add("", alarm("two"))
			now = now.Add(2 * day)
			g.Account.Policy.Keep = tc.keep
			for range 3 {
				if s := g.Run(); s.Err != nil {
					t.Fatal(s.Err)
				}
			}
			if tc.keep.Newest == 0 {
				wantBodies(g, "one", "two")
			}
			if g.Drop.Len() != tc.left {
				t.Errorf("%d left, want %d", g.Drop.Len(), tc.left)
			}
			g.Drop.Add("", alarm("three"))
			g.Account.Policy.Keep = plan.Keep{None: true}
			for range 2 {
				if s := g.Run(); s.Err != nil {
					t.Fatal(s.Err)
				}
			}
			wantBodies(g, "one", "two", "three")
			if g.Drop.Len() != 0 {
				t.Errorf("%d left in the end", g.Drop.Len())
			}
		})
	}
}

// TestUnconfirmedDeletionAnotherBody: QUIT was carried out and its reply lost.
// What is then listed under the unique-id is another message.
func TestUnconfirmedDeletionAnotherBody(t *testing.T) {
	t.Parallel()
	g := hashed(t, pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Done: true, Do: pop3test.Cut()}}})
	g.Drop.Add("", alarm("one"))
	if s := g.Run(); s.Err == nil || g.Drop.Len() != 0 {
		t.Fatalf("%+v, %d left", s, g.Drop.Len())
	}
	g.Drop.Add("", alarm("two"))
	for range 2 {
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	wantBodies(g, "one", "two")
	if g.Drop.Len() != 0 {
		t.Errorf("%d left", g.Drop.Len())
	}
}

// TestTwinsWithEqualHeaders: several at once, in any order, and one that another
// program deletes.
func TestTwinsWithEqualHeaders(t *testing.T) {
	t.Parallel()
	g := hashed(t, pop3test.Options{})
	g.Account.Policy.Keep = plan.Keep{}
	g.Drop.Add("", alarm("one"))
	g.Drop.Add("", alarm("two"))
	g.Run()
	wantBodies(g, "one", "two")
	g.Drop.Remove(0)
	g.Drop.Add("", alarm("three"))
	g.Account.Policy.Keep.None = true
	for range 3 {
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	wantBodies(g, "one", "two", "three")
	if g.Drop.Len() != 0 {
		t.Errorf("%d left", g.Drop.Len())
	}
}

// TestPurgeComparesContent: purge deletes nothing that it did not see delivered.
func TestPurgeComparesContent(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 0)
	g.Drop.HashedUIDs = true
	g.Drop.Add("", alarm("one"))
	g.Drop.Add("", []byte("Subject: other\r\n\r\nother\r\n"))
	g.Run()
	g.Drop.Remove(0)
	g.Drop.Add("", alarm("two"))
	rep, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
	if err != nil || rep.Deleted != 1 || g.Drop.Len() != 1 || len(rep.Notes) != 1 {
		t.Errorf("%+v, %d left, err %v", rep, g.Drop.Len(), err)
	}
	if s := g.Run(); s.Err != nil || s.Fetched != 1 {
		t.Errorf("%+v", s)
	}
	wantBodies(g, "one", "two", "other")
}

// TestRecognisedIsComparedBeforeDeletion: messages that are known by their header
// only, since the server gave all new unique-ids.
func TestRecognisedIsComparedBeforeDeletion(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	same := func(body string) []byte { return []byte("Message-ID: <same@test>\r\n\r\n" + body + "\r\n") }
	g.Drop.Add("", same("one"))
	g.Add(1)
	g.Run()
	for range 2 {
		g.Drop.Remove(0)
	}
	g.Drop.Add("00000001"+"5f000000", same("two"))
	if s := g.Run(); s.Err != nil || s.Fetched != 0 { // nothing is deleted: a header will do
		t.Fatalf("%+v", s)
	}
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 1 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
	if mail := g.Mail(); !strings.Contains(mail, "\n\none\n") || !strings.Contains(mail, "\n\ntwo\n") {
		t.Errorf("delivered %q", mail)
	}
}

// TestCountersAreNotComparedAgain: a second retrieval is not paid for where the
// unique-id cannot be another message's.
func TestCountersAreNotComparedAgain(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(3)
	g.Run()
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Err != nil || s.Deleted != 3 || g.Server.Count("RETR") != 3 {
		t.Errorf("%+v, %d RETR", s, g.Server.Count("RETR"))
	}
}

// TestServerAddsFields: mailutils writes Status and X-UIDL into what was listed
// once. The message is still the one that was delivered.
func TestServerAddsFields(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	body := "From: a@test\r\nSubject: x\r\n%s\r\nbody\r\n"
	g.Drop.Add("x1", fmt.Appendf(nil, body, ""))
	g.Drop.Add("x2", fmt.Appendf(nil, body, "Status: O\r\nX-UID: 4\r\n"))
	g.Run()
	for range 2 {
		g.Drop.Remove(0)
	}
	g.Drop.Add("x1", fmt.Appendf(nil, body, "Status: RO\r\nX-UIDL: 4711\r\n"))
	g.Drop.Add("x2", fmt.Appendf(nil, body, "Status: RO\r\nX-UID: 4\r\nX-Keywords:  \r\n  \r\n"))
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 2 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
}

// TestTraceFieldIsNoDifference: with `received` what was delivered has a field
// that the server's message lacks.
func TestTraceFieldIsNoDifference(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{HashedUIDs: true}, pop3test.Options{})
	g.Account.Policy.Received = true
	g.Drop.Add("", alarm("one"))
	g.Run()
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 1 {
		t.Errorf("%+v", s)
	}
}
