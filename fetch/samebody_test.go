package fetch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// alarm is a message of a device: its header is always the same.
func alarm(body string) []byte {
	return []byte("From: device@test\r\nSubject: alarm\r\n\r\n" + body + "\r\n")
}

func hashed(t *testing.T, o pop3test.Options) *rig {
	g := newRig(t, &pop3test.Maildrop{HashedUIDs: true}, o)
	g.account.Policy.Keep.None = true
	return g
}

// wantBodies: each of them was delivered once, and nothing else.
func (g *rig) wantBodies(bodies ...string) {
	g.t.Helper()
	mail := g.mail()
	for _, b := range bodies {
		if strings.Count(mail, "\n\n"+b+"\n") != 1 {
			g.t.Errorf("%q was not delivered once", b)
		}
	}
	if g.delivered() != len(bodies) {
		g.t.Errorf("%d delivered, want %d", g.delivered(), len(bodies))
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
			g.fetcher.Now = func() time.Time { return now }
			g.account.Policy.Keep = plan.Keep{None: !tc.others}
			g.drop.Add("", alarm("one"))
			if s := g.run(); s.Err != nil || s.Fetched != 1 {
				t.Fatalf("%+v", s)
			}
			if tc.others {
				g.drop.Remove(0)
			}
			g.drop.Add("", alarm("two"))
			now = now.Add(2 * day)
			g.account.Policy.Keep = tc.keep
			for range 3 {
				if s := g.run(); s.Err != nil {
					t.Fatal(s.Err)
				}
			}
			if tc.keep.Newest == 0 {
				g.wantBodies("one", "two")
			}
			if g.drop.Len() != tc.left {
				t.Errorf("%d left, want %d", g.drop.Len(), tc.left)
			}
			g.drop.Add("", alarm("three"))
			g.account.Policy.Keep = plan.Keep{None: true}
			for range 2 {
				if s := g.run(); s.Err != nil {
					t.Fatal(s.Err)
				}
			}
			g.wantBodies("one", "two", "three")
			if g.drop.Len() != 0 {
				t.Errorf("%d left in the end", g.drop.Len())
			}
		})
	}
}

// TestUnconfirmedDeletionAnotherBody: QUIT was carried out and its reply lost.
// What is then listed under the unique-id is another message.
func TestUnconfirmedDeletionAnotherBody(t *testing.T) {
	t.Parallel()
	g := hashed(t, pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Done: true, Do: pop3test.Cut()}}})
	g.drop.Add("", alarm("one"))
	if s := g.run(); s.Err == nil || g.drop.Len() != 0 {
		t.Fatalf("%+v, %d left", s, g.drop.Len())
	}
	g.drop.Add("", alarm("two"))
	for range 2 {
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	g.wantBodies("one", "two")
	if g.drop.Len() != 0 {
		t.Errorf("%d left", g.drop.Len())
	}
}

// TestTwinsWithEqualHeaders: several at once, in any order, and one that another
// program deletes.
func TestTwinsWithEqualHeaders(t *testing.T) {
	t.Parallel()
	g := hashed(t, pop3test.Options{})
	g.account.Policy.Keep = plan.Keep{}
	g.drop.Add("", alarm("one"))
	g.drop.Add("", alarm("two"))
	g.run()
	g.wantBodies("one", "two")
	g.drop.Remove(0)
	g.drop.Add("", alarm("three"))
	g.account.Policy.Keep.None = true
	for range 3 {
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	g.wantBodies("one", "two", "three")
	if g.drop.Len() != 0 {
		t.Errorf("%d left", g.drop.Len())
	}
}

// TestPurgeComparesContent: purge deletes nothing that it did not see delivered.
func TestPurgeComparesContent(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 0)
	g.drop.HashedUIDs = true
	g.drop.Add("", alarm("one"))
	g.drop.Add("", []byte("Subject: other\r\n\r\nother\r\n"))
	g.run()
	g.drop.Remove(0)
	g.drop.Add("", alarm("two"))
	rep, err := g.fetcher.Purge(context.Background(), g.account, 0, false, func(Check) {})
	if err != nil || rep.Deleted != 1 || g.drop.Len() != 1 || len(rep.Notes) != 1 {
		t.Errorf("%+v, %d left, err %v", rep, g.drop.Len(), err)
	}
	if s := g.run(); s.Err != nil || s.Fetched != 1 {
		t.Errorf("%+v", s)
	}
	g.wantBodies("one", "two", "other")
}

// TestRecognisedIsComparedBeforeDeletion: messages that are known by their header
// only, since the server gave all new unique-ids.
func TestRecognisedIsComparedBeforeDeletion(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	same := func(body string) []byte { return []byte("Message-ID: <same@test>\r\n\r\n" + body + "\r\n") }
	g.drop.Add("", same("one"))
	g.add(1)
	g.run()
	for range 2 {
		g.drop.Remove(0)
	}
	g.drop.Add("00000001"+"5f000000", same("two"))
	if s := g.run(); s.Err != nil || s.Fetched != 0 { // nothing is deleted: a header will do
		t.Fatalf("%+v", s)
	}
	g.account.Policy.Keep.None = true
	if s := g.run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 1 || g.drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
	if mail := g.mail(); !strings.Contains(mail, "\n\none\n") || !strings.Contains(mail, "\n\ntwo\n") {
		t.Errorf("delivered %q", mail)
	}
}

// TestCountersAreNotComparedAgain: a second retrieval is not paid for where the
// unique-id cannot be another message's.
func TestCountersAreNotComparedAgain(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(3)
	g.run()
	g.account.Policy.Keep.None = true
	if s := g.run(); s.Err != nil || s.Deleted != 3 || g.server.Count("RETR") != 3 {
		t.Errorf("%+v, %d RETR", s, g.server.Count("RETR"))
	}
}

// TestServerAddsFields: mailutils writes Status and X-UIDL into what was listed
// once. The message is still the one that was delivered.
func TestServerAddsFields(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	body := "From: a@test\r\nSubject: x\r\n%s\r\nbody\r\n"
	g.drop.Add("x1", fmt.Appendf(nil, body, ""))
	g.drop.Add("x2", fmt.Appendf(nil, body, "Status: O\r\nX-UID: 4\r\n"))
	g.run()
	for range 2 {
		g.drop.Remove(0)
	}
	g.drop.Add("x1", fmt.Appendf(nil, body, "Status: RO\r\nX-UIDL: 4711\r\n"))
	g.drop.Add("x2", fmt.Appendf(nil, body, "Status: RO\r\nX-UID: 4\r\nX-Keywords:  \r\n  \r\n"))
	g.account.Policy.Keep.None = true
	if s := g.run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 2 || g.drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
}

// TestTraceFieldIsNoDifference: with `received` what was delivered has a field
// that the server's message lacks.
func TestTraceFieldIsNoDifference(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{HashedUIDs: true}, pop3test.Options{})
	g.account.Policy.Received = true
	g.drop.Add("", alarm("one"))
	g.run()
	g.account.Policy.Keep.None = true
	if s := g.run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLikeness(t *testing.T) {
	sums := func(text string) bodySums {
		s, err := sumsOf(bufio.NewReaderSize(strings.NewReader(text), header.MaxSize))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, marked := "Subject: x\n\nbody\n", "Status: RO\nSubject: x\nX-UIDL: 1\n\nbody\n"
	raw := func(text string) [32]byte { return sha256.Sum256([]byte(text)) }
	for name, tc := range map[string]struct {
		entry  state.Entry
		now    string
		traced bool
		want   likeness
	}{
		"as it was":                      {state.Entry{SHA256: raw(plain)}, plain, false, sameMessage},
		"marked since":                   {state.Entry{SHA256: raw(plain)}, marked, false, sameMessage},
		"marked then":                    {state.Entry{SHA256: raw(marked), Content: raw(plain)}, plain, false, sameMessage},
		"marked then, by an old version": {state.Entry{SHA256: raw(marked)}, marked, false, sameMessage},
		"another body":                   {state.Entry{SHA256: raw(plain)}, plain + "more\n", false, otherMessage},
		"another header":                 {state.Entry{SHA256: raw(plain)}, "X: y\n" + plain, false, otherMessage},
		"with a trace field":             {state.Entry{SHA256: raw("Received: us\n" + plain), Content: raw(plain)}, plain, true, sameMessage},
		"an old one with a trace field":  {state.Entry{SHA256: raw("Received: us\n" + plain)}, plain, true, notCompared},
		"never retrieved":                {state.Entry{Source: state.Imported}, plain, false, notCompared},
	} {
		s := sums(tc.now)
		if got := s.like(&tc.entry, tc.traced); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
