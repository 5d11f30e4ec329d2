package proof_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 10)
	names := g.Files()
	moved := filepath.Join(g.Dir, "Maildir", "cur", filepath.Base(names[0])+":2,RS")
	for _, err := range []error{
		os.Rename(names[0], moved),
		os.Remove(names[1]),
		os.WriteFile(names[2], []byte("changed\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found := make(map[proof.Finding]int)
	rep, err := g.Prover.Verify(context.Background(), g.Account, func(c proof.Check) { found[c.Finding]++ })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Messages != 10 || rep.Verified != 8 || rep.OK() || found[proof.Missing] != 1 || found[proof.Altered] != 1 {
		t.Fatalf("%+v, reported %v", rep, found)
	}
}

func TestPurgeDeletesOnlyWhatIsVerified(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 10)
	if err := os.Remove(g.Files()[0]); err != nil {
		t.Fatal(err)
	}
	g.Add(2) // never fetched
	ignore := func(proof.Check) {}
	rep, err := g.Prover.Purge(context.Background(), g.Account, 0, true, ignore)
	if err != nil || rep.Verified != 9 || rep.Deleted != 0 || g.Drop.Len() != 12 {
		t.Fatalf("dry: %+v, err %v", rep, err)
	}
	rep, err = g.Prover.Purge(context.Background(), g.Account, 1e15, false, ignore)
	if err != nil || rep.Eligible != 0 || g.Drop.Len() != 12 {
		t.Fatalf("too young: %+v, err %v", rep, err)
	}
	rep, err = g.Prover.Purge(context.Background(), g.Account, 0, false, ignore)
	if err != nil || rep.Deleted != 9 || rep.Left != 0 || rep.Remaining != 3 || g.Drop.Len() != 3 {
		t.Fatalf("%+v, %d on the server, err %v", rep, g.Drop.Len(), err)
	}
}

func TestVerifyServer(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 5)
	g.Add(1)
	rep, err := g.Prover.VerifyServer(context.Background(), g.Account, func(string, bool) {})
	if err != nil || rep != (proof.ServerReport{Listed: 6, Same: 5, Unknown: 1}) {
		t.Fatalf("%+v, err %v", rep, err)
	}
}
