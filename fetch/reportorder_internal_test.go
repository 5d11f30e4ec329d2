package fetch

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestToldInOrder: accounts are told of in the order in which they gave their
// slots back, whoever is ready first.
func TestToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		free := 0
		line := newLine()
		add := func() *place { return &place{line: line, free: func() { free++ }} }
		first, second, third := add(), add(), add()
		for _, p := range []*place{first, second, third} {
			p.offline()
			p.offline()
		}
		if free != 3 {
			t.Errorf("%d slots given back, want 3", free)
		}
		go third.tell(func() { told = append(told, "third") })
		go second.tell(func() { told = append(told, "second") })
		synctest.Wait()
		if told != nil {
			t.Errorf("told of %q before the first", told)
		}
		first.tell(func() { told = append(told, "first") })
		synctest.Wait()
		if got := strings.Join(told, " "); got != "first second third" {
			t.Errorf("told of %s", got)
		}
	})
}
