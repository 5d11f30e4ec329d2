package fetch

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func (g *rig) report() *Report {
	g.t.Helper()
	rep, err := g.fetcher.Report(context.Background(), g.account, true)
	if err != nil {
		g.t.Fatal(err)
	}
	return rep
}

func (g *rig) wantReasons(rep *Report, texts ...string) {
	g.t.Helper()
	if len(rep.Reasons) != len(texts) || rep.Safe() != (len(texts) == 0) {
		g.t.Errorf("reasons %q, want %q", rep.Reasons, texts)
		return
	}
	for i, text := range texts {
		if !strings.Contains(rep.Reasons[i], text) {
			g.t.Errorf("reason %q lacks %q", rep.Reasons[i], text)
		}
	}
}

func (g *rig) verify() VerifyReport {
	g.t.Helper()
	rep, err := g.fetcher.Verify(context.Background(), g.account, func(Check) {})
	if err != nil {
		g.t.Fatal(err)
	}
	return rep
}

// TestReportBecomesYes goes from the first fetch to an account that can be
// closed, and back when a file is lost.
func TestReportBecomesYes(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 5)
	g.add(1)
	rep := g.report()
	g.wantReasons(rep, "1 message is never fetched", "5 messages are not verified", "5 messages are delivered but not verified")
	if s := *rep.Server; s.Listed != 6 || s.New != 1 || s.Unverified != 5 || s.Here != 0 || s.Other != 0 {
		t.Errorf("%+v", s)
	}
	if s := g.run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	g.verify()
	g.wantReasons(g.report())
	offline, err := g.fetcher.Report(context.Background(), g.account, false)
	if err != nil || offline.Safe() || len(offline.Reasons) != 1 {
		t.Errorf("offline: %+v, %v", offline, err)
	}
	if err := os.Remove(g.files()[0]); err != nil {
		t.Fatal(err)
	}
	g.verify()
	g.wantReasons(g.report(), "1 message is not verified", "1 message is delivered but not verified")
}

// TestReportCountsTheQuarantine: what a target refused is safe once its copy in
// the quarantine was read back; purge leaves it on the server, and the report
// says where it is.
func TestReportCountsTheQuarantine(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	r.data = func(_, message string) error {
		if strings.Contains(message, "Subject: 2") {
			return &gosmtp.SMTPError{Code: 554, Message: "not this one"}
		}
		return nil
	}
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target { return []Target{r.target("a@b"), g.maildirTarget("Mail")} })
	g.account.Policy.Keep = plan.Keep{}
	g.fetcher.ReadBack = func(_ context.Context, a *Account, id string) (Copies, error) {
		switch {
		case id == a.SetAside.ID:
			x, err := maildir.NewIndex(g.path("aside"))
			return maildirCopies{x}, err
		case strings.HasPrefix(id, "maildir:"):
			x, err := maildir.NewIndex(g.path("Mail"))
			return maildirCopies{x}, err
		}
		return nil, nil
	}
	if s := g.fetch(); s.SetAside != 1 {
		t.Fatalf("%+v", s)
	}
	rep := g.report()
	g.wantReasons(rep, "3 messages are not verified", "1 message is refused by a target, and not verified in the quarantine", "2 messages are delivered but not verified")
	g.verify()
	rep = g.report()
	g.wantReasons(rep)
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "1 message is in the quarantine only") || len(rep.Aside) != 1 {
		t.Errorf("notes %q, aside %v", rep.Notes, rep.Aside)
	}
	purged, err := g.fetcher.Purge(context.Background(), g.account, 0, false, func(Check) {})
	if err != nil || purged.Deleted != 2 || g.drop.Len() != 1 || g.drop.Messages()[0].UID != "uid2" {
		t.Fatalf("%+v, %v", purged, err)
	}
	g.wantReasons(g.report())
}

// TestReportOfWindow: a server that shows only a part of a maildrop cannot be
// closed while it lists anything, once that is known.
func TestReportOfWindow(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 0)
	g.drop.Newest = 120
	g.add(300)
	turn := func() (PurgeReport, *Report) {
		g.run()
		g.verify()
		rep, err := g.fetcher.Purge(context.Background(), g.account, 0, false, func(Check) {})
		if err != nil {
			t.Fatal(err)
		}
		return rep, g.report()
	}
	p, rep := turn()
	if p.Deleted != 120 || p.Remaining != 120 || p.Left != 0 {
		t.Errorf("%+v", p)
	}
	g.wantReasons(rep, "120 messages are never fetched", "lists only 120 messages at a time")
	g.run()
	g.verify()
	g.wantReasons(g.report(), "lists only 120 messages at a time")
	turn()
	_, rep = turn()
	g.wantReasons(rep)
	if g.drop.Len() != 0 || g.delivered() != 300 {
		t.Errorf("%d left, %d delivered", g.drop.Len(), g.delivered())
	}
}

// TestPurgeInBatches deletes more than one session's worth, and proves it.
func TestPurgeInBatches(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 1203)
	before := g.server.Sessions()
	rep, err := g.fetcher.Purge(context.Background(), g.account, 0, false, func(Check) {})
	if err != nil || rep.Deleted != 1203 || rep.Remaining != 0 || g.drop.Len() != 0 {
		t.Fatalf("%+v, %d left, %v", rep, g.drop.Len(), err)
	}
	if n := g.server.Sessions() - before; n != 5 { // a list, three batches, the proof
		t.Errorf("%d sessions", n)
	}
}

// TestPurgeIsConfirmed: what the server does not confirm counts as not deleted,
// and what it confirms and still lists is told.
func TestPurgeIsConfirmed(t *testing.T) {
	t.Parallel()
	quit := fetchedRig(t, 600)
	quit.serveWith(pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Nth: 3, Do: pop3test.Err("some deleted messages not removed")}}})
	rep, err := quit.fetcher.Purge(context.Background(), quit.account, 0, false, func(Check) {})
	if err == nil || rep.Deleted != 500 || !strings.Contains(err.Error(), "500 deleted and confirmed so far") {
		t.Errorf("QUIT refused in the second batch: %+v, %v", rep, err)
	}
	if rep, err = quit.fetcher.Purge(context.Background(), quit.account, 0, false, func(Check) {}); err != nil || quit.drop.Len() != 0 {
		t.Errorf("again: %+v, %v, %d left", rep, err, quit.drop.Len())
	}

	keeps := fetchedRig(t, 3)
	keeps.fetcher.pauses = []time.Duration{} // see TestPurgeLooksAgain
	keeps.serveWith(pop3test.Options{Faults: []pop3test.Fault{{On: "DELE", Do: pop3test.Raw("+OK\r\n"), Always: true}}})
	rep, err = keeps.fetcher.Purge(context.Background(), keeps.account, 0, false, func(Check) {})
	var own *Error
	if !errors.As(err, &own) || own.Exit != ExitProtocol || rep.Left != 3 || !strings.Contains(err.Error(), "still lists 3") {
		t.Errorf("a server that keeps what it deleted: %+v, %v", rep, err)
	}
}

// serveWith puts another server before the same maildrop.
func (g *rig) serveWith(o pop3test.Options) {
	g.t.Helper()
	o.Security = pop3test.Plain
	g.server = pop3test.NewServer(g.drop, o)
	g.t.Cleanup(g.server.Close)
	g.account.Server.Host, g.account.Server.Port = g.server.Host, g.server.Port
}

// TestPlanFileNamesDifferences: what a plan lacks and what it has too much.
func TestPlanFileNamesDifferences(t *testing.T) {
	t.Parallel()
	g := fetchedRig(t, 3)
	g.account.Policy.Keep.None = true
	g.add(2)
	todo, _, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.account.Name, g.account.ID, plan.SavedOptions{})
	if len(saved.Delete) != 3 || len(saved.Retrieve) != 2 {
		t.Fatalf("%+v", saved)
	}
	g.account.Exactly = &saved
	g.add(7)
	s := g.run()
	for _, text := range []string{"7 to fetch that the plan does not have", `"..."`} {
		if s.Err == nil || !strings.Contains(s.Err.Error(), text) {
			t.Errorf("new mail: %v lacks %q", s.Err, text)
		}
	}
	g.account.Policy.Keep = plan.Keep{}
	if s := g.run(); s.Err == nil || !strings.Contains(s.Err.Error(), "3 to delete in the plan that are not to be now") {
		t.Errorf("another policy: %v", s.Err)
	}
	if g.drop.Len() != 12 || g.delivered() != 3 {
		t.Errorf("a refused plan did something: %d left, %d delivered", g.drop.Len(), g.delivered())
	}
	g.account.Policy.Keep.None = true
	fresh, _, _ := g.fetcher.Plan(context.Background(), g.account)
	saved = fresh.Saved(g.account.Name, g.account.ID, plan.SavedOptions{})
	if s := g.run(); s.Err != nil || s.Deleted != 12 || g.delivered() != 12 {
		t.Errorf("the plan of now: %+v", s)
	}
}
