package fetch

import (
	"context"
	"sync"
)

// slots hands out accounts in their order, not more at a time than there are
// slots for, in all and against one host. Who waits for a busy host is passed
// by: it holds no slot that another could use.
type slots struct {
	parallel, perHost int
	mu                sync.Mutex
	agenda            *agenda
	freed             chan struct{} // a slot was given back
}

func newSlots(parallel, perHost int) *slots {
	return &slots{parallel: parallel, perHost: perHost, agenda: newAgenda(), freed: make(chan struct{}, 1)}
}

// add puts an account at the end of the queue.
func (s *slots) add(host string) *task {
	t := &task{Job: Job{Host: host}}
	s.agenda.enqueue(t)
	return t
}

// next waits for a slot and returns who gets it; nil if nobody waits any more,
// or ctx is done.
func (s *slots) next(ctx context.Context) *task {
	for ctx.Err() == nil {
		s.mu.Lock()
		t := s.agenda.pick(s.parallel, s.perHost)
		if t != nil {
			s.agenda.begin(t.Host)
		}
		waiting := len(s.agenda.queue)
		s.mu.Unlock()
		if t != nil || waiting == 0 {
			return t
		}
		select {
		case <-s.freed:
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *slots) give(host string) {
	s.mu.Lock()
	s.agenda.end(host)
	s.mu.Unlock()
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// place is an account's place in Fetcher.Run: a slot as long as it is online,
// then one in the line of those that are told of. A nil place holds nothing and
// waits for nobody.
type place struct {
	free  func() // gives the slot back
	line  *line
	once  sync.Once
	ahead <-chan struct{} // closed when the one ahead was told of
	told  chan<- struct{}
}

// offline joins the line and gives the slot back, in this order: the next
// account comes behind. Only the first call counts.
func (p *place) offline() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		p.ahead, p.told = p.line.join()
		p.free()
	})
}

// tell calls fn when those ahead in the line were told of.
func (p *place) tell(fn func()) {
	if p != nil {
		p.offline()
		<-p.ahead
		defer close(p.told)
	}
	fn()
}

// line is the order in which accounts are told of. Each in it closes told.
type line struct {
	mu   sync.Mutex
	last chan struct{}
}

func newLine() *line {
	none := make(chan struct{})
	close(none)
	return &line{last: none}
}

func (l *line) join() (ahead <-chan struct{}, told chan<- struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := make(chan struct{})
	ahead, l.last = l.last, mine
	return ahead, mine
}
