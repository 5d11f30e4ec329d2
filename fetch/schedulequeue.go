package fetch

import (
	"container/heap"
	"slices"
	"time"
)

// phase is where an account is between two runs.
type phase uint8

const (
	asleep phase = iota // in the heap
	ready               // due, waits for a slot
	busy                // a run is under way
)

// task is one account of a loop.
type task struct {
	Job
	past
	at      time.Time // when it is due, if asleep
	place   int       // in the heap
	phase   phase
	asked   bool // to run now, quiet time or not
	dropped bool // not in the configuration any more
	turn    turn
}

// turn is how far a run of several turns is.
type turn struct {
	started  time.Time // of the first turn; zero: none is under way
	asked    bool      // it was, as task.asked says
	messages int
	bytes    int64
}

// agenda is what a loop has to do: tasks asleep by time, and tasks that wait
// for a slot by how long they have waited.
type agenda struct {
	tasks   map[string]*task // by ID
	heap    taskHeap
	queue   []*task
	running int
	hosts   map[string]int // runs by host
}

func newAgenda() *agenda {
	return &agenda{tasks: make(map[string]*task), hosts: make(map[string]int)}
}

// sleep puts a task that is in no queue to rest until a time.
func (g *agenda) sleep(t *task, at time.Time) {
	t.phase, t.at = asleep, at
	heap.Push(&g.heap, t)
}

// wake moves a sleeping task to the end of the queue.
func (g *agenda) wake(t *task) {
	heap.Remove(&g.heap, t.place)
	g.enqueue(t)
}

func (g *agenda) enqueue(t *task) {
	t.phase = ready
	g.queue = append(g.queue, t)
}

// leave takes a task out of the heap or the queue.
func (g *agenda) leave(t *task) {
	switch t.phase {
	case asleep:
		heap.Remove(&g.heap, t.place)
	case ready:
		g.queue = slices.DeleteFunc(g.queue, func(q *task) bool { return q == t })
	}
}

// due wakes what is due.
func (g *agenda) due(now time.Time) {
	for len(g.heap) > 0 && !g.heap[0].at.After(now) {
		g.wake(g.heap[0])
	}
}

// pick takes the task out of the queue that has waited longest and has a slot;
// nil if there is none.
func (g *agenda) pick(parallel, perHost int) *task {
	if g.running >= parallel {
		return nil
	}
	i := slices.IndexFunc(g.queue, func(t *task) bool { return perHost <= 0 || g.hosts[t.Host] < perHost })
	if i < 0 {
		return nil
	}
	t := g.queue[i]
	g.queue = slices.Delete(g.queue, i, i+1)
	return t
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

// scarce reports whether accounts may have to wait for a slot: then nobody may
// keep one for long.
func (g *agenda) scarce(host string, parallel, perHost int) bool {
	if len(g.tasks) > parallel {
		return true
	}
	n := 0
	for _, t := range g.tasks {
		if t.Host == host {
			n++
		}
	}
	return perHost > 0 && n > perHost
}

// taskHeap is a heap of sleeping tasks, the next one first.
type taskHeap []*task

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h taskHeap) Len() int           { return len(h) }
func (h taskHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h taskHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *taskHeap) Push(x any) {
	t := x.(*task)
	t.place = len(*h)
	*h = append(*h, t)
}

// Pop implements heap.Interface.
func (h *taskHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
