package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/state"
)

func TestAlertDue(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ago := func(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }
	bad, good := &state.Run{Exit: 77, Error: "x"}, &state.Run{}
	for name, tc := range map[string]struct {
		s    state.StatusFile
		want string
	}{
		"never ran":           {state.StatusFile{}, ""},
		"fine":                {state.StatusFile{LastRun: good, LastSuccess: ago(1)}, ""},
		"fine, long ago":      {state.StatusFile{LastRun: good, LastSuccess: ago(100)}, ""},
		"fails since lately":  {state.StatusFile{LastRun: bad, LastSuccess: ago(23)}, ""},
		"fails for too long":  {state.StatusFile{LastRun: bad, LastSuccess: ago(24)}, jsonline.NoSuccess},
		"told already":        {state.StatusFile{LastRun: bad, LastSuccess: ago(48), Alerted: ago(24)}, ""},
		"never had a success": {state.StatusFile{LastRun: bad, Since: ago(25)}, jsonline.NoSuccess},
		"new and failing":     {state.StatusFile{LastRun: bad, Since: ago(2)}, ""},
		"works again":         {state.StatusFile{LastRun: good, LastSuccess: ago(0), Alerted: ago(5)}, jsonline.Recovered},
	} {
		got, due := alertDue(&tc.s, 24*time.Hour, now)
		if got != tc.want || due != (tc.want != "") {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestMetricsHost(t *testing.T) {
	for host, own := range map[string]bool{"127.0.0.1:9110": true, "localhost:9110": true, "[::1]:9110": true, "LOCALHOST": true,
		"evil.example:9110": false, "10.0.0.1:9110": false, "": false, "localhost.evil.example": false} {
		if got := ownHost(host); got != own {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// TestStatusFiles has other processes write the same file.
func TestStatusFiles(t *testing.T) {
	dir := t.TempDir()
	path := state.StatusPath(dir, "a")
	w := NewStatusFiles(dir)
	w.Follow(map[string]string{"work": "a"})
	next := time.Now().Add(time.Hour).Round(0)
	w.Planned("work", next)
	if s, err := state.ReadStatus(path); err != nil || !s.NextRun.Equal(next) || s.Account != "work" {
		t.Errorf("%+v %v", s, err)
	}
	// Another process is running: its status stays.
	theirs := state.StatusFile{Account: "work", ID: "a", PID: os.Getppid(), State: state.StateRunning, Stage: "retrieving"}
	if err := state.WriteStatus(path, theirs); err != nil {
		t.Fatal(err)
	}
	w.Planned("work", next.Add(time.Hour))
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
	return fetch.Event{Account: account, Progress: ledger.Progress{Stage: ledger.Finished},
		Summary: &fetch.Summary{Account: account, Started: time.Now(), Fetched: fetched}}
}

// TestSuccessOfTheFuture: a time in the future does not count as a success for ever.
func TestSuccessOfTheFuture(t *testing.T) {
	from, to := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 2, 0, 0, 0, 0, time.UTC)
	s := state.StatusFile{LastRun: &state.Run{Exit: 75}, LastSuccess: to, Since: from.Add(-time.Hour)}
	if !Overdue(&s, 24*time.Hour, from.Add(24*time.Hour)) {
		t.Error("a success of 2036 counts as one")
	}
	if event, due := alertDue(&s, 24*time.Hour, from.Add(24*time.Hour)); !due || event != jsonline.NoSuccess {
		t.Errorf("no alert: %q, %t", event, due)
	}
}

// TestAlertsGetNoSecrets: alert commands do not get our environment.
func TestAlertsGetNoSecrets(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", "s3cret")
	t.Setenv("PW_OF_WORK", "s3cret")
	file := filepath.Join(t.TempDir(), "env")
	n := jsonline.Notice{Event: "no_success", Account: "work"}
	if err := runAlert(t.Context(), []string{"sh", "-c", `cat >/dev/null; env >"$0"`, file}, 0, n); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if strings.Contains(got, "s3cret") || !strings.Contains(got, "MAILHAUL_ACCOUNT=work\n") || !strings.Contains(got, "PATH=") {
		t.Errorf("%s", got)
	}
}
