package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ parallel, files, want int }{
		{1000, 0, 1000}, {1000, 1 << 20, 1000}, {1000, 1024, 96}, {4, 1024, 4}, {0, 1024, 4}, {1000, 64, 1}, {1000, 8, 1},
	} {
		if got := atOnce(c.parallel, c.files); got != c.want {
			t.Errorf("atOnce(%d, %d) is %d, want %d", c.parallel, c.files, got, c.want)
		}
	}
}

// TestFewFiles asks that a process that may open few files fetches fewer accounts at a
// time, and says so, instead of failing.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no such limit")
	}
	dir := t.TempDir()
	var conf strings.Builder
	fmt.Fprintf(&conf, "state: %s/state\nparallel: 1000\naccounts:\n", dir)
	for i := range 40 {
		fmt.Fprintf(&conf, "  a%d: {server: %q, tls: none, user: u%d, password: secret, deliver: [{maildir: %s/Mail%d}]}\n", i, closedPort(t), i, dir, i)
	}
	config := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(config, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "mailhaul")); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("sh", "-c", "ulimit -n 128; exec "+dir+"/mailhaul -c "+config+" fetch").CombinedOutput()
	if text := string(out); !strings.Contains(text, "parallel=1000 files=128 uses=6") || strings.Count(text, "connection refused") < 40 ||
		strings.Contains(text, "too many open") {
		t.Errorf("%.3000s", text)
	}
}
