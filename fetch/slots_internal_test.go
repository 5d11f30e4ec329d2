package fetch

import (
	"slices"
	"strconv"
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

// TestSlotsGoByOrder: accounts begin in their order, and who waits for a busy
// host keeps nobody else waiting.
func TestSlotsGoByOrder(t *testing.T) {
	for _, tc := range []struct {
		parallel, perHost int
		hosts, want       string // want: "-" means that nobody can begin until one ends
	}{
		{1, 0, "aaa", "0-1-2"},
		{1, 1, "aba", "0-1-2"},
		{2, 1, "aabb", "02-1-3"},
		{3, 2, "aaabc", "013-2-4"},
		{9, 0, "abc", "012"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSlots(tc.parallel, tc.perHost)
			var tasks, running []*task
			for _, host := range tc.hosts {
				tasks = append(tasks, s.add(string(host)))
			}
			got := make(chan *task)
			go func() {
				defer close(got)
				for next := s.next(t.Context()); next != nil; next = s.next(t.Context()) {
					got <- next
				}
			}()
			order := ""
			for open := true; open; {
				synctest.Wait()
				select {
				case next, ok := <-got:
					if open = ok; ok {
						order += strconv.Itoa(slices.Index(tasks, next))
						running = append(running, next)
					}
				default:
					order += "-"
					s.give(running[0].Host)
					running = running[1:]
				}
			}
			if order != tc.want {
				t.Errorf("%d at a time, %d a host, %s: %s, want %s", tc.parallel, tc.perHost, tc.hosts, order, tc.want)
			}
		})
	}
}
