package fetch

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// maildirCopies reads back as package command does.
type maildirCopies struct{ *maildir.Index }

func (m maildirCopies) Copy(_ context.Context, w io.Writer, receipt string, _ [sha256.Size]byte) (string, error) {
	f, err := m.Index.Open(receipt)
	if err != nil {
		return receipt, err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return f.Name(), err
}

func (maildirCopies) Close() error { return nil }

// fetchedRig has n messages fetched and can read them back.
func fetchedRig(t *testing.T, n int) *rig {
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.fetcher.ReadBack = func(context.Context, *Account, string) (Copies, error) {
		x, err := maildir.NewIndex(filepath.Join(g.dir, "Maildir"))
		return maildirCopies{x}, err
	}
	g.add(n)
	if s := g.run(); s.Fetched != n {
		t.Fatalf("%+v", s)
	}
	return g
}

func (g *rig) files() []string {
	names, _ := filepath.Glob(filepath.Join(g.dir, "Maildir", "new", "*"))
	return names
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 10)
	names := g.files()
	moved := filepath.Join(g.dir, "Maildir", "cur", filepath.Base(names[0])+":2,RS")
	for _, err := range []error{
		os.Rename(names[0], moved),
		os.Remove(names[1]),
		os.WriteFile(names[2], []byte("changed\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found := make(map[Finding]int)
	rep, err := g.fetcher.Verify(context.Background(), g.account, func(c Check) { found[c.Finding]++ })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Messages != 10 || rep.Verified != 8 || rep.OK() || found[Missing] != 1 || found[Altered] != 1 {
		t.Fatalf("%+v, told %v", rep, found)
	}
}

func TestPurgeDeletesOnlyWhatIsVerified(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 10)
	if err := os.Remove(g.files()[0]); err != nil {
		t.Fatal(err)
	}
	g.add(2) // never fetched
	tell := func(Check) {}
	rep, err := g.fetcher.Purge(context.Background(), g.account, 0, true, tell)
	if err != nil || rep.Verified != 9 || rep.Deleted != 0 || g.drop.Len() != 12 {
		t.Fatalf("dry: %+v, err %v", rep, err)
	}
	rep, err = g.fetcher.Purge(context.Background(), g.account, 1e15, false, tell)
	if err != nil || rep.Eligible != 0 || g.drop.Len() != 12 {
		t.Fatalf("too young: %+v, err %v", rep, err)
	}
	rep, err = g.fetcher.Purge(context.Background(), g.account, 0, false, tell)
	if err != nil || rep.Deleted != 9 || rep.Left != 0 || rep.Remaining != 3 || g.drop.Len() != 3 {
		t.Fatalf("%+v, %d on the server, err %v", rep, g.drop.Len(), err)
	}
}

func TestVerifyServer(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 5)
	g.add(1)
	rep, err := g.fetcher.VerifyServer(context.Background(), g.account, func(string, bool) {})
	if err != nil || rep != (ServerReport{Listed: 6, Same: 5, Unknown: 1}) {
		t.Fatalf("%+v, err %v", rep, err)
	}
}
