package sources

import (
	"testing"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// TestKeptOf: each source has a list of its own, which does not depend on the others.
func TestKeptOf(t *testing.T) {
	panel, other := config.Source{Web: config.Web{URL: "https://panel.example.org/"}}, config.Source{Web: config.Web{Command: []string{"accounts"}}}
	from := []config.Source{panel, other, panel, panel}
	seen := make(map[string]int)
	for i := range from {
		key := keptOf("", from, i).key
		if j, twice := seen[key]; twice {
			t.Errorf("sources %d and %d share a list", i, j)
		}
		seen[key] = i
	}
	if keptOf("", from, 1) != keptOf("", from[1:2], 0) || keptOf("", from, 0) != keptOf("", from[2:], 0) {
		t.Error("a source that is moved loses its list")
	}
}
