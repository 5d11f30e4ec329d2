package proof_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func wantReasons(g *fetchtest.Rig, rep *proof.Report, texts ...string) {
	g.T.Helper()
	if len(rep.Reasons) != len(texts) || rep.Safe() != (len(texts) == 0) {
		g.T.Errorf("reasons %q, want %q", rep.Reasons, texts)
		return
	}
	for i, text := range texts {
		if !strings.Contains(rep.Reasons[i].Text, text) {
			g.T.Errorf("reason %q lacks %q", rep.Reasons[i], text)
		}
	}
}

func verified(g *fetchtest.Rig) proof.VerifyReport {
	g.T.Helper()
	rep, err := g.Prover.Verify(context.Background(), g.Account, func(proof.Check) {})
	if err != nil {
		g.T.Fatal(err)
	}
	return rep
}

// TestReportBecomesYes goes from the first fetch to an account that can be
// closed, and back when a file is lost.
func TestReportBecomesYes(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 5)
	g.Add(1)
	rep := g.Report()
	wantReasons(g, rep, "1 message is never fetched", "5 messages are delivered but not verified")
	if s := *rep.Server; s.Listed != 6 || s.New != 1 || s.Unverified != 5 || s.Here != 0 || s.Other != 0 {
		t.Errorf("%+v", s)
	}
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	verified(g)
	wantReasons(g, g.Report())
	offline, err := g.Prover.Report(context.Background(), g.Account, false)
	if err != nil || offline.Safe() || len(offline.Reasons) != 1 {
		t.Errorf("offline: %+v, %v", offline, err)
	}
	if err := os.Remove(g.Files()[0]); err != nil {
		t.Fatal(err)
	}
	verified(g)
	wantReasons(g, g.Report(), "1 message is delivered, and missing since")
}

// TestReportCountsTheQuarantine: what a target refused is safe once its copy in
// the quarantine was read back; purge leaves it on the server, and the report
// says where it is.
func TestReportCountsTheQuarantine(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "not this one"), "2"))
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.TargetAt(r, "a@b"), g.MaildirTarget("Mail")}
	})
	g.Account.Policy.Keep = plan.Keep{}
	g.Prover.ReadBack = func(_ context.Context, a *fetch.Account, id string) (proof.Copies, error) {
		switch {
		case id == a.Quarantine.ID:
			return fetchtest.ReadBack(g.Path("quarantine"))
		case strings.HasPrefix(id, "maildir:"):
			return fetchtest.ReadBack(g.Path("Mail"))
		}
		return nil, nil
	}
	if s := g.Run(); s.Quarantined != 1 {
		t.Fatalf("%+v", s)
	}
	rep := g.Report()
	wantReasons(g, rep, "1 message is refused by a target, and not verified in the quarantine", "2 messages are delivered but not verified")
	verified(g)
	rep = g.Report()
	wantReasons(g, rep)
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0].Text, "1 message is in the quarantine only") || len(rep.InQuarantine) != 1 {
		t.Errorf("notes %q, quarantined %v", rep.Notes, rep.InQuarantine)
	}
	purged, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
	if err != nil || purged.Deleted != 2 || g.Drop.Len() != 1 || g.Drop.Messages()[0].UID != "uid2" {
		t.Fatalf("%+v, %v", purged, err)
	}
	wantReasons(g, g.Report())
}

// TestReportOfWindow: a server that shows only a part of a maildrop cannot be
// closed while it lists anything, once that is known.
func TestReportOfWindow(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 0)
	g.Drop.Newest = 120
	g.Add(300)
	round := func() (proof.PurgeReport, *proof.Report) {
		g.Run()
		verified(g)
		rep, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		return rep, g.Report()
	}
	p, rep := round()
	if p.Deleted != 120 || p.Remaining != 120 || p.Left != 0 {
		t.Errorf("%+v", p)
	}
	wantReasons(g, rep, "120 messages are never fetched", "lists only 120 messages at a time")
	g.Run()
	verified(g)
	wantReasons(g, g.Report(), "lists only 120 messages at a time")
	round()
	_, rep = round()
	wantReasons(g, rep)
	if g.Drop.Len() != 0 || g.Delivered() != 300 {
		t.Errorf("%d left, %d delivered", g.Drop.Len(), g.Delivered())
	}
}

// TestPurgeInBatches deletes more than one session's worth, and proves it.
func TestPurgeInBatches(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 1203)
	before := g.Server.Sessions()
	rep, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
	if err != nil || rep.Deleted != 1203 || rep.Remaining != 0 || g.Drop.Len() != 0 {
		t.Fatalf("%+v, %d left, %v", rep, g.Drop.Len(), err)
	}
	if n := g.Server.Sessions() - before; n != 5 { // a list, three batches, the proof
		t.Errorf("%d sessions", n)
	}
}

// TestPurgeIsConfirmed: what the server does not confirm counts as not deleted,
// and what it confirms and still lists is reported.
func TestPurgeIsConfirmed(t *testing.T) {
	t.Parallel()
	quit := fetchtest.NewFetched(t, 600)
	quit.ServeWith(pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Nth: 3, Do: pop3test.Err("some deleted messages not removed")}}})
	rep, err := quit.Prover.Purge(context.Background(), quit.Account, 0, false, func(proof.Check) {})
	if err == nil || rep.Deleted != 500 || !strings.Contains(err.Error(), "500 deleted and confirmed so far") {
		t.Errorf("QUIT refused in the second batch: %+v, %v", rep, err)
	}
	if rep, err = quit.Prover.Purge(context.Background(), quit.Account, 0, false, func(proof.Check) {}); err != nil ||
		quit.Drop.Len() != 0 {
		t.Errorf("again: %+v, %v, %d left", rep, err, quit.Drop.Len())
	}

	keeps := fetchtest.NewFetched(t, 3)
	keeps.Piped(pop3test.Options{Faults: []pop3test.Fault{{On: "DELE", Do: pop3test.Raw("+OK\r\n"), Always: true}}},
		func(*pop3test.Server) {
			rep, err = keeps.Prover.Purge(context.Background(), keeps.Account, 0, false, func(proof.Check) {})
			var own *fetch.Error
			if !errors.As(err, &own) || own.Exit != fetch.ExitProtocol || rep.Left != 3 || !strings.Contains(err.Error(), "still lists 3") {
				t.Errorf("a server that keeps what it deleted: %+v, %v", rep, err)
			}
		})
}

// TestReportOfDeletionsNotDone: how many of the deleted are listed still.
func TestReportOfDeletionsNotDone(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 5)
	verified(g)
	g.Account.Policy.Keep.None = true
	g.Piped(pop3test.Options{DeleteLate: 1000 * time.Hour}, func(*pop3test.Server) {
		if s := g.Run(); s.Deleted != 5 {
			t.Fatalf("%+v", s)
		}
		rep := g.Report()
		wantReasons(g, rep)
		if rep.Deleted != 5 || rep.Server.StillListed != 5 || rep.Server.Here != 5 ||
			!slices.ContainsFunc(rep.Notes, func(n proof.Remark) bool {
				return strings.Contains(n.Text, "5 of the 5 messages that were deleted are still listed")
			}) {
			t.Errorf("%+v %+v", rep, rep.Server)
		}
	})
}
