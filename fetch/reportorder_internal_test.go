package fetch

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestReportsInOrder: accounts are reported in the order in which they leave
// their worker slots, whoever is ready first.
func TestReportsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []string
		free := 0
		order := newReportOrder()
		add := func() *workerSlot { return &workerSlot{order: order, release: func() { free++ }} }
		first, second, third := add(), add(), add()
		for _, w := range []*workerSlot{first, second, third} {
			w.leave()
			w.leave()
		}
		if free != 3 {
			t.Errorf("%d slots released, want 3", free)
		}
		go third.report(func() { reported = append(reported, "third") })
		go second.report(func() { reported = append(reported, "second") })
		synctest.Wait()
		if reported != nil {
			t.Errorf("reported %q before the first", reported)
		}
		first.report(func() { reported = append(reported, "first") })
		synctest.Wait()
		if got := strings.Join(reported, " "); got != "first second third" {
			t.Errorf("reported %s", got)
		}
	})
}
