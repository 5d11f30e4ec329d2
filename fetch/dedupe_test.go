package fetch_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// dedupeRig delivers into a Maildir that somebody else has filled.
func dedupeRig(t *testing.T, by maildir.SameBy, tag bool) *fetchtest.Rig {
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	path := filepath.Join(g.Dir, "Maildir")
	g.Account.Targets[0].Deliverer = maildir.NewDedupe(maildir.New(maildir.Options{Path: path}),
		maildir.NewExisting(path, filepath.Join(g.Dir, "cache")), by, tag)
	g.Fetcher.Recover[maildir.SkipKind] = maildir.RecoverSkip
	g.Prover.ReadBack = func(context.Context, *fetch.Account, string) (proof.Copies, error) {
		return fetchtest.ReadBack(path)
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func existing(g *fetchtest.Rig, name, text string) {
	g.T.Helper()
	if err := os.WriteFile(filepath.Join(g.Dir, "Maildir", "cur", name), []byte(text), 0o600); err != nil {
		g.T.Fatal(err)
	}
}

// foreign puts a message of another program into the Maildir.
func foreign(g *fetchtest.Rig, i int) {
	g.T.Helper()
	existing(g, foreignName(i), fmt.Sprintf("Message-ID: <%d@there>\nSubject: %d\n\nbody %d\n", i, i, i))
}

func foreignName(i int) string { return fmt.Sprintf("1700000%03d.M%dP7.host:2,S", i%1000, i) }

// sent is a message as the server has it.
func sent(i int, body string) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@there>\r\nSubject: %d\r\n\r\n%s %d\r\n", i, i, body, i)
}

// TestDedupeReadsTenThousandOnce: the Maildir is indexed once; a second run
// reads only what is new in it, and what is gone from it is forgotten.
func TestDedupeReadsTenThousandOnce(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for name, by := range map[string]maildir.SameBy{"message-id": maildir.SameMessageID, "content": maildir.SameContent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := dedupeRig(t, by, false)
			for i := range n {
				foreign(g, i)
			}
			g.Drop.Add("no-id", []byte("Subject: without an id\r\n\r\nx\r\n"))
			g.Drop.Add("has", sent(17, "body"))
			g.Drop.Add("new", sent(n+1, "body"))
			if s := g.Run(); s.Err != nil || s.Fetched != 3 || g.Delivered() != 2 {
				t.Fatalf("%+v, %d delivered", s, g.Delivered())
			}
			// If a file is read again, it has other bytes now.
			for i := range n {
				name := foreignName(i)
				existing(g, name, "Message-ID: <overwritten@x>\n\n")
			}
			gone := foreignName(42)
			if err := os.Remove(filepath.Join(g.Dir, "Maildir", "cur", gone)); err != nil {
				t.Fatal(err)
			}
			existing(g, "1800000000.M1P1.reader:2,", "Message-ID: <777777@there>\nSubject: 777777\n\nbody 777777\n")
			g.Drop.Add("has-too", sent(9_999, "body"))   // known from the first run
			g.Drop.Add("twice", sent(n+1, "body"))       // which the first run delivered
			g.Drop.Add("appeared", sent(777777, "body")) // found when the names are read
			g.Drop.Add("was-deleted", sent(42, "body"))  // to be delivered
			if s := g.Run(); s.Err != nil || s.Fetched != 4 || g.Delivered() != 3 {
				t.Fatalf("second run: %+v, %d delivered", s, g.Delivered())
			}
		})
	}
}

// TestSkippedStaysUntilPurged: keep none does not delete a message that was
// skipped. Purge does if the message that was there has the same bytes.
func TestSkippedStaysUntilPurged(t *testing.T) {
	t.Parallel()
	g := dedupeRig(t, maildir.SameMessageID, false)
	g.Account.Policy.Keep.None = true
	foreign(g, 1)
	foreign(g, 2)
	g.Drop.Add("same", sent(1, "body"))
	g.Drop.Add("edited", sent(2, "changed by a mailing list"))
	g.Drop.Add("new", sent(3, "body"))
	if s := g.Run(); s.Err != nil || s.Deleted != 1 || g.Drop.Len() != 2 {
		t.Fatalf("%+v, %d left", s, g.Drop.Len())
	}
	tell := func(c proof.Check) { t.Errorf("told: %+v", c) }
	rep, err := g.Prover.Verify(context.Background(), g.Account, tell)
	if err != nil || !rep.OK() || rep.Verified != 2 || rep.Counts[proof.StandIn] != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	r, err := g.Prover.Report(context.Background(), g.Account, true)
	if err != nil || r.Safe() {
		t.Errorf("a message of which only another form is here: %+v, %v", r, err)
	}
	purged, err := g.Prover.Purge(context.Background(), g.Account, 0, false, tell)
	if err != nil || purged.Deleted != 1 || g.Drop.Len() != 1 || g.Drop.Messages()[0].UID != "edited" {
		t.Fatalf("%+v, %v", purged, err)
	}
}

func TestDuplicateIsTagged(t *testing.T) {
	t.Parallel()
	g := dedupeRig(t, maildir.SameMessageID, true)
	foreign(g, 1)
	g.Drop.Add("again", sent(1, "body"))
	g.Drop.Add("new", sent(2, "body"))
	if s := g.Run(); s.Err != nil || g.Delivered() != 2 {
		t.Fatalf("%+v, %d delivered", s, g.Delivered())
	}
	tags := 0
	for _, f := range g.Files() {
		text, _ := os.ReadFile(f)
		if want := "X-Mailhaul-Duplicate-Of: 1700000001.M1P7.host\n" + string(lf(sent(1, "body"))); string(text) == want {
			tags++
		}
	}
	if tags != 1 {
		t.Errorf("%d tagged", tags)
	}
	rep, err := g.Prover.Verify(context.Background(), g.Account, func(proof.Check) {})
	if err != nil || rep.Verified != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func lf(message []byte) []byte {
	var out []byte
	for _, c := range message {
		if c != '\r' {
			out = append(out, c)
		}
	}
	return out
}

// failOnce is a deliverer whose first Prepare fails.
type failOnce struct {
	*maildir.Dedupe
	failed bool
}

type failOnceBatch struct {
	deliver.Batch
	d *failOnce
}

func (d *failOnce) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := d.Dedupe.Begin(ctx)
	return failOnceBatch{b, d}, err
}

func (b failOnceBatch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if !b.d.failed {
		b.d.failed = true
		return nil, &deliver.Error{Class: deliver.IOError, Err: io.ErrShortWrite}
	}
	return b.Batch.Prepare(ctx)
}

// TestWhatFailedIsNoDuplicate: a message that was staged and not delivered is
// not taken for one that is there when it comes again.
func TestWhatFailedIsNoDuplicate(t *testing.T) {
	t.Parallel()
	for _, by := range []maildir.SameBy{maildir.SameContent, maildir.SameMessageID} {
		g := dedupeRig(t, by, false)
		g.Account.Targets[0].Deliverer = &failOnce{Dedupe: g.Account.Targets[0].Deliverer.(*maildir.Dedupe)}
		g.Drop.Add("one", sent(1, "body"))
		if s := g.Run(); s.Err == nil || g.Delivered() != 0 {
			t.Fatalf("%+v", s)
		}
		if s := g.Run(); s.Err != nil || g.Delivered() != 1 {
			t.Fatalf("second run: %+v, %d delivered", s, g.Delivered())
		}
	}
}
