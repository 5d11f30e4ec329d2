package proof_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// TestRecognisedCountsOnce: 5 messages under new unique-ids are 5 in verify and
// report, also once they are deleted.
func TestRecognisedCountsOnce(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 5)
	for round := range 2 {
		g.Drop.Rename(func(uid string) string { return fmt.Sprint("moved", round, uid) })
		if s := g.Run(); s.Err != nil || s.Fetched != 0 {
			t.Fatalf("%+v", s)
		}
	}
	if v := verified(g); v.Messages != 5 || v.Verified != 5 || v.Counts[proof.Intact] != 5 {
		t.Errorf("verify: %+v", v)
	}
	rep := g.Report()
	wantReasons(g, rep)
	if rep.Known != 5 || rep.Delivered != 5 || rep.Verified != 5 || rep.Server.Here != 5 {
		t.Errorf("report: %+v", rep)
	}
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Err != nil || s.Deleted != 5 {
		t.Fatalf("%+v", s)
	}
	if rep := g.Report(); rep.Known != 5 || rep.Deleted != 5 || !rep.Safe() {
		t.Errorf("after the deletion: %+v", rep)
	}
	var b strings.Builder
	if err := g.Prover.Manifest(context.Background(), g.Account, &b); err != nil || strings.Count(b.String(), "\n") != 7 {
		t.Errorf("manifest of %d lines, err %v", strings.Count(b.String(), "\n"), err)
	}
}

// TestVerifyServerLeavesOutServerFields, and says so; another body differs.
func TestVerifyServerLeavesOutServerFields(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	body := "From: a@test\r\nSubject: %s\r\n%s\r\nbody\r\n"
	for _, uid := range []string{"a", "b", "c"} {
		g.Drop.Add(uid, fmt.Appendf(nil, body, uid, ""))
	}
	g.Run()
	for range 2 {
		g.Drop.Remove(0)
	}
	g.Drop.Add("a", fmt.Appendf(nil, body, "a", "Status: RO\r\nX-UIDL: 7\r\n"))
	g.Drop.Add("b", fmt.Appendf(nil, body, "b", "X-Spam: yes\r\n"))
	rep, err := g.Prover.VerifyServer(context.Background(), g.Account, func(string, bool) {})
	if err != nil || rep.Same != 2 || rep.Marked != 1 || rep.Differs != 1 || rep.Refused != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}
