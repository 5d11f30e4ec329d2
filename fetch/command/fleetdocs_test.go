package command

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/watch"
)

// TestFleetPages asks that the dashboard and the queries of docs/shards.md use metrics
// that exist.
func TestFleetPages(t *testing.T) {
	t.Parallel()
	known := []string{watch.ReloadSuccessful, watch.ReloadSuccessTime}
	for _, m := range watch.Metrics() {
		known = append(known, m.Name, m.Name+"_sum", m.Name+"_count")
	}
	dashboard := readText(t, filepath.Join(treeRoot, "docs/grafana/mailhaul.json"))
	if !json.Valid([]byte(dashboard)) {
		t.Error("docs/grafana/mailhaul.json is not JSON")
	}
	used := 0
	for page, text := range map[string]string{"docs/grafana/mailhaul.json": dashboard, "docs/shards.md": readText(t, filepath.Join(treeRoot, "docs/shards.md"))} {
		for _, name := range regexp.MustCompile(`mailhaul_[a-z_]+`).FindAllString(text, -1) {
			used++
			if !slices.Contains(known, name) {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
	if used < 20 {
		t.Errorf("only %d metrics are used", used)
	}
}

// TestUnitOfShard asks that the template makes N/OF of its instance.
func TestUnitOfShard(t *testing.T) {
	t.Parallel()
	unit := readText(t, filepath.Join(treeRoot, "docs/mailhaul-shard@.service"))
	if !strings.Contains(unit, "\nExecStart=/usr/local/bin/mailhaul loop --shard %I\n") {
		t.Error("the unit does not start a shard")
	}
	plain := readText(t, filepath.Join(treeRoot, "docs/mailhaul.service"))
	if _, rest, _ := strings.Cut(plain, "\nExecReload="); !strings.HasSuffix(unit, rest) {
		t.Error("it differs from mailhaul.service in more than the start")
	}
}
