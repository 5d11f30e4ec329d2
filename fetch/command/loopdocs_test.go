package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/watch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestUnits has systemd read the units and judge the service's sandbox.
func TestUnits(t *testing.T) {
	analyze := pop3test.Require(t, "systemd-analyze")
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for from, to := range map[string]string{"mailhaul.service": "mailhaul.service",
		"mailhaul@.service": "mailhaul@work.service", "mailhaul@.timer": "mailhaul@work.timer"} {
		b, err := os.ReadFile(filepath.Join(treeRoot, "docs", from))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("/usr/local/bin/mailhaul"), []byte(self)) // one that exists
		files = append(files, filepath.Join(dir, to))
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, args...)...).CombinedOutput(); err != nil ||
			bytes.Contains(out, []byte("mailhaul")) { // it may speak of the machine's own units too
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
	verify(files...)
	b, err := os.ReadFile(filepath.Join(treeRoot, "docs/user/mailhaul.service"))
	if err != nil {
		t.Fatal(err)
	}
	user := filepath.Join(t.TempDir(), "mailhaul.service")
	if err := os.WriteFile(user, bytes.ReplaceAll(b, []byte("/usr/local/bin/mailhaul"), []byte(self)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir()) // a user's manager needs one
	verify("--user", user)
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", filepath.Join(dir, "mailhaul.service")).Output()
	m := regexp.MustCompile(`exposure level for mailhaul.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("security: %v\n%s", err, out)
	}
	if level, _ := strconv.ParseFloat(string(m[1]), 64); level > 1.5 {
		t.Errorf("exposure %v of 10\n%s", level, out)
	}
}

func TestContainerConfig(t *testing.T) {
	t.Parallel()
	path := filepath.Join(treeRoot, "docs/container/config.example.yaml")
	if _, err := config.Load(path, configOptions()); err != nil {
		t.Error(err)
	}
}

// TestUnitsKeepNames asks for no unescaped instance: of an account's name %I
// makes another one where it has a dash.
func TestUnitsKeepNames(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"mailhaul@.service", "mailhaul@.timer"} {
		text := readText(t, filepath.Join(treeRoot, "docs", unit))
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") && strings.Contains(line, "%I") {
				t.Errorf("%s: %s", unit, line)
			}
		}
	}
	if text := readText(t, filepath.Join(treeRoot, "docs/mailhaul@.service")); !strings.Contains(text,
		"\nExecStart=/usr/local/bin/mailhaul fetch --wait 1m %i\n") {
		t.Error("mailhaul@.service does not fetch %i")
	}
}

// TestMetricsPage asks that the page has each metric's name.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(treeRoot, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"mailhaul_build_info", watch.ReloadSuccessful, watch.ReloadSuccessTime}
	names = append(names, watch.SourceMetrics()...)
	for _, m := range watch.Metrics() {
		names = append(names, strings.TrimPrefix(m.Name, "mailhaul_fetched"))
	}
	for _, name := range names {
		if !strings.Contains(string(page), name) {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
}
