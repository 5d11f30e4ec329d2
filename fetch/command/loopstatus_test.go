package command

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestStatusWatch reads two frames while nothing happens, and ends it.
func TestStatusWatch(t *testing.T) {
	l := newLab(t)
	o := pop3test.Options{Security: pop3test.Plain}
	l.account(append(l.to(serve(t, dropOf(letters(2)), o), o), "every: 1h", secret)...)
	l.want(l.run("fetch"), 0)
	cmd := exec.Command(l.path("mailhaul"), l.args([]string{"--json", "status", "--watch"})[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	lines := bufio.NewScanner(out)
	for range 2 {
		if !lines.Scan() {
			t.Fatal("it ended")
		}
		var s jsonline.Status
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil || s.Account != "lab" || s.Known != 2 || s.Totals.Fetched != 2 {
			t.Errorf("%v %s", err, lines.Text())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
}

// TestStatusWriter has other processes write the same file.
func TestStatusWriter(t *testing.T) {
	dir := t.TempDir()
	path := state.StatusPath(dir, "a")
	w := newStatusWriter(dir)
	w.follow(map[string]string{"work": "a"})
	next := time.Now().Add(time.Hour).Round(0)
	w.planned("work", next)
	if s, err := state.ReadStatus(path); err != nil || !s.NextRun.Equal(next) || s.Account != "work" {
		t.Errorf("%+v %v", s, err)
	}
	// Another process is at work: its status stands.
	theirs := state.StatusFile{Account: "work", ID: "a", PID: os.Getppid(), State: state.StateRunning, Stage: "retrieving"}
	if err := state.WriteStatus(path, theirs); err != nil {
		t.Fatal(err)
	}
	w.planned("work", next.Add(time.Hour))
	if s, _ := state.ReadStatus(path); s.Stage != "retrieving" || !s.NextRun.IsZero() {
		t.Errorf("overwritten: %+v", s)
	}
	// Its run counts in the next one's totals.
	theirs.State, theirs.Totals = state.StateIdle, state.Totals{Fetched: 5, Runs: map[int]int64{0: 1}}
	if err := state.WriteStatus(path, theirs); err != nil {
		t.Fatal(err)
	}
	w.Report(eventOf("work", 2))
	if s, _ := state.ReadStatus(path); s.Totals.Fetched != 7 || s.Totals.Runs[0] != 2 || s.State != state.StateIdle {
		t.Errorf("%+v", s)
	}
}

func eventOf(account string, fetched int) fetch.Event {
	return fetch.Event{Account: account, Stage: fetch.Finished, Summary: &fetch.Summary{Account: account, Started: time.Now(), Fetched: fetched}}
}
