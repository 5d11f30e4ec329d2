package watch

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestMetricsFormat gives promtool accounts of every kind, with a name that
// must be quoted.
func TestMetricsFormat(t *testing.T) {
	now := time.Now()
	list := []state.StatusFile{
		{Account: "new"},
		{Account: `we"ird\` + "\n", PID: os.Getpid(), State: state.StateRunning, LastRun: &state.Run{Started: now, Exit: 77, Error: "x"},
			LastSuccess: now, NextRun: now, TokenExpiry: now, LoginExpiry: now, Known: 12, Listed: 3,
			Totals: state.Totals{Runs: map[int]int64{0: 5, 77: 2, 99: 1}, Fetched: 1 << 40, Bytes: 1 << 50, Seconds: 0.25}},
	}
	var reloads Reloads
	reloads.Done(time.UnixMilli(1500), nil)
	reloads.Done(time.UnixMilli(2500), errors.New("x"))
	var b bytes.Buffer
	if err := writeMetrics(&b, figures{list, &reloads, "1"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`mailhaul_fetched_messages_total{account="we\"ird\\\n"} 1099511627776`,
		`mailhaul_runs_total{account="we\"ird\\\n",result="login_refused"} 2`,
		`mailhaul_runs_total{account="new",result="login_refused"} 0`,
		`mailhaul_runs_total{account="we\"ird\\\n",result="exit_99"} 1`,
		`mailhaul_run_duration_seconds_sum{account="we\"ird\\\n"} 0.25`,
		`mailhaul_run_duration_seconds_count{account="we\"ird\\\n"} 8`,
		"mailhaul_config_last_reload_successful 0", "mailhaul_config_last_reload_success_timestamp_seconds 1.5",
		`mailhaul_running{account="we\"ird\\\n"} 1`,
	} {
		if !bytes.Contains(b.Bytes(), []byte(want+"\n")) {
			t.Errorf("lacks %s", want)
		}
	}
	cmd := exec.CommandContext(t.Context(), pop3test.Require(t, "promtool"), "check", "metrics")
	cmd.Stdin = bytes.NewReader(b.Bytes())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s\n%s", err, out, &b)
	}
	dir := t.TempDir()
	if err := writeMetricsFile(filepath.Join(dir, "none", "x"), figures{list, &reloads, "1"}); err == nil {
		t.Error("no error for a missing directory")
	}
	for range 2 {
		if err := writeMetricsFile(filepath.Join(dir, "x.prom"), figures{list, &reloads, "1"}); err != nil {
			t.Error(err)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}
