package fetch

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// dedupeRig delivers into a Maildir that somebody else has filled.
func dedupeRig(t *testing.T, by maildir.SameBy, tag bool) *rig {
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	path := filepath.Join(g.dir, "Maildir")
	g.account.Targets[0].Deliverer = maildir.NewDedupe(maildir.New(maildir.Options{Path: path}),
		maildir.NewExisting(path, filepath.Join(g.dir, "cache")), by, tag)
	g.fetcher.Recover[maildir.SkipKind] = maildir.RecoverSkip
	g.fetcher.ReadBack = func(context.Context, *Account, string) (Copies, error) {
		x, err := maildir.NewIndex(path)
		return maildirCopies{x}, err
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *rig) existing(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, "Maildir", "cur", name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func foreign(i int) (name, text string) {
	return fmt.Sprintf("1700000%03d.M%dP7.host:2,S", i%1000, i), fmt.Sprintf("Message-ID: <%d@there>\nSubject: %d\n\nbody %d\n", i, i, i)
}

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
				g.existing(foreign(i))
			}
			g.drop.Add("no-id", []byte("Subject: without an id\r\n\r\nx\r\n"))
			g.drop.Add("has", sent(17, "body"))
			g.drop.Add("new", sent(n+1, "body"))
			if s := g.run(); s.Err != nil || s.Fetched != 3 || g.delivered() != 2 {
				t.Fatalf("%+v, %d delivered", s, g.delivered())
			}
			// If a file is read again, it has other bytes now.
			for i := range n {
				name, _ := foreign(i)
				g.existing(name, "Message-ID: <overwritten@x>\n\n")
			}
			gone, _ := foreign(42)
			if err := os.Remove(filepath.Join(g.dir, "Maildir", "cur", gone)); err != nil {
				t.Fatal(err)
			}
			g.existing("1800000000.M1P1.reader:2,", "Message-ID: <777777@there>\nSubject: 777777\n\nbody 777777\n")
			g.drop.Add("has-too", sent(9_999, "body"))   // known from the first run
			g.drop.Add("twice", sent(n+1, "body"))       // which the first run delivered
			g.drop.Add("appeared", sent(777777, "body")) // found when the names are read
			g.drop.Add("was-deleted", sent(42, "body"))  // to be delivered
			if s := g.run(); s.Err != nil || s.Fetched != 4 || g.delivered() != 3 {
				t.Fatalf("second run: %+v, %d delivered", s, g.delivered())
			}
		})
	}
}

// TestSkippedStaysUntilPurged: keep none does not delete a message that was
// skipped. Purge does if the message that was there has the same bytes.
func TestSkippedStaysUntilPurged(t *testing.T) {
	t.Parallel()
	g := dedupeRig(t, maildir.SameMessageID, false)
	g.account.Policy.Keep.None = true
	g.existing(foreign(1))
	g.existing(foreign(2))
	g.drop.Add("same", sent(1, "body"))
	g.drop.Add("edited", sent(2, "changed by a mailing list"))
	g.drop.Add("new", sent(3, "body"))
	if s := g.run(); s.Err != nil || s.Deleted != 1 || g.drop.Len() != 2 {
		t.Fatalf("%+v, %d left", s, g.drop.Len())
	}
	tell := func(c Check) { t.Errorf("told: %+v", c) }
	rep, err := g.fetcher.Verify(context.Background(), g.account, tell)
	if err != nil || !rep.OK() || rep.Verified != 2 || rep.Counts[StandIn] != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	r, err := g.fetcher.Report(context.Background(), g.account, true)
	if err != nil || r.Safe() {
		t.Errorf("a message of which only another form is here: %+v, %v", r, err)
	}
	purged, err := g.fetcher.Purge(context.Background(), g.account, 0, false, tell)
	if err != nil || purged.Deleted != 1 || g.drop.Len() != 1 || g.drop.Messages()[0].UID != "edited" {
		t.Fatalf("%+v, %v", purged, err)
	}
}

func TestDuplicateIsTagged(t *testing.T) {
	t.Parallel()
	g := dedupeRig(t, maildir.SameMessageID, true)
	g.existing(foreign(1))
	g.drop.Add("again", sent(1, "body"))
	g.drop.Add("new", sent(2, "body"))
	if s := g.run(); s.Err != nil || g.delivered() != 2 {
		t.Fatalf("%+v, %d delivered", s, g.delivered())
	}
	tags := 0
	for _, f := range g.files() {
		text, _ := os.ReadFile(f)
		if want := "X-Mailhaul-Duplicate-Of: 1700000001.M1P7.host\n" + string(lf(sent(1, "body"))); string(text) == want {
			tags++
		}
	}
	if tags != 1 {
		t.Errorf("%d tagged", tags)
	}
	rep, err := g.fetcher.Verify(context.Background(), g.account, func(Check) {})
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
		g.account.Targets[0].Deliverer = &failOnce{Dedupe: g.account.Targets[0].Deliverer.(*maildir.Dedupe)}
		g.drop.Add("one", sent(1, "body"))
		if s := g.run(); s.Err == nil || g.delivered() != 0 {
			t.Fatalf("%+v", s)
		}
		if s := g.run(); s.Err != nil || g.delivered() != 1 {
			t.Fatalf("second run: %+v, %d delivered", s, g.delivered())
		}
	}
}
