package schedule

import (
	"container/heap"
	"slices"
	"time"
)

// phase is where a task is between two runs.
type phase uint8

const (
	asleep phase = iota // in the heap
	ready               // due, waits for a worker slot
	busy                // a run is under way
)

// entry is one task of a loop.
type entry struct {
	Task
	past
	at      time.Time // when it is due, if asleep
	index   int       // in the heap
	phase   phase
	forced  bool // to run now, quiet time or not
	dropped bool // not one of the tasks any more
	run     run
}

// run is how far a run of several parts is.
type run struct {
	started  time.Time // the first part; zero: none is under way
	forced   bool      // as entry.forced
	messages int
	bytes    int64
}

// agenda is what there is to do: entries asleep by time, and entries that wait
// for a worker slot by how long they have waited.
type agenda struct {
	entries map[string]*entry // by ID
	heap    sleepers
	queue   []*entry
	running int
	hosts   map[string]int // runs by host
}

func newAgenda() *agenda {
	return &agenda{entries: make(map[string]*entry), hosts: make(map[string]int)}
}

// sleep puts an entry that is in no queue to rest until a time.
func (g *agenda) sleep(e *entry, at time.Time) {
	e.phase, e.at = asleep, at
	heap.Push(&g.heap, e)
}

func (g *agenda) enqueue(e *entry) {
	e.phase = ready
	g.queue = append(g.queue, e)
}

// leave takes an entry out of the heap or the queue.
func (g *agenda) leave(e *entry) {
	switch e.phase {
	case asleep:
		heap.Remove(&g.heap, e.index)
	case ready:
		g.queue = slices.DeleteFunc(g.queue, func(q *entry) bool { return q == e })
	}
}

// due moves what is due to the end of the queue.
func (g *agenda) due(now time.Time) {
	for len(g.heap) > 0 && !g.heap[0].at.After(now) {
		e := g.heap[0]
		g.leave(e)
		g.enqueue(e)
	}
}

// pick takes the entry out of the queue that has waited longest and may run;
// nil if there is none.
func (g *agenda) pick(parallel, perHost int) *entry {
	if g.running >= parallel {
		return nil
	}
	i := slices.IndexFunc(g.queue, func(e *entry) bool { return perHost <= 0 || g.hosts[e.Host] < perHost })
	if i < 0 {
		return nil
	}
	e := g.queue[i]
	g.queue = slices.Delete(g.queue, i, i+1)
	return e
}

// begin and end count a run on a host.
func (g *agenda) begin(host string) {
	g.running++
	g.hosts[host]++
}

func (g *agenda) end(host string) {
	g.running--
	if g.hosts[host]--; g.hosts[host] == 0 {
		delete(g.hosts, host)
	}
}

// scarce reports whether tasks may have to wait for a worker slot: then none may
// keep one for long.
func (g *agenda) scarce(host string, parallel, perHost int) bool {
	if len(g.entries) > parallel {
		return true
	}
	n := 0
	for _, e := range g.entries {
		if e.Host == host {
			n++
		}
	}
	return perHost > 0 && n > perHost
}

// sleepers is a heap of entries that sleep, the next one first.
type sleepers []*entry

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h sleepers) Len() int           { return len(h) }
func (h sleepers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h sleepers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *sleepers) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *sleepers) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
