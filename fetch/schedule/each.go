package schedule

import (
	"cmp"
	"context"
	"sync"
)

// Each runs something once for each of some hosts, in their order and within
// the limits of Tasks: who waits for a busy host lets others go first. A call
// of run must call release once, when another one may begin. Each returns the
// indices of those that a done ctx kept from beginning, and waits for the rest.
func Each(ctx context.Context, hosts []string, parallel, perHost int, run func(i int, release func())) (left []int) {
	g, index := newAgenda(), make(map[*entry]int, len(hosts))
	for i, host := range hosts {
		e := &entry{Task: Task{Host: host}}
		index[e] = i
		g.enqueue(e)
	}
	released := make(chan string, len(hosts))
	var wg sync.WaitGroup
	defer wg.Wait()
	for len(g.queue) > 0 && ctx.Err() == nil {
		e := g.pick(cmp.Or(parallel, DefaultParallel), perHost)
		if e != nil {
			g.begin(e.Host)
			wg.Go(func() { run(index[e], func() { released <- e.Host }) })
			continue
		}
		select {
		case host := <-released:
			g.end(host)
		case <-ctx.Done():
		}
	}
	for _, e := range g.queue {
		left = append(left, index[e])
	}
	return left
}
