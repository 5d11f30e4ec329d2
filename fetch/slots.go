package fetch

import (
	"context"
	"sync"
)

// slots bound how many accounts run at once, in all and against one host.
type slots struct {
	all     chan struct{}
	perHost int
	mu      sync.Mutex
	hosts   map[string]chan struct{}
}

func newSlots(all, perHost int) *slots {
	return &slots{all: make(chan struct{}, all), perHost: perHost, hosts: make(map[string]chan struct{})}
}

// host returns the host's own limit, nil if there is none.
func (s *slots) host(name string) chan struct{} {
	if s.perHost <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[name] == nil {
		s.hosts[name] = make(chan struct{}, s.perHost)
	}
	return s.hosts[name]
}

// take waits for the host's slot first: who waits for a busy host holds no
// slot that another could use.
func (s *slots) take(ctx context.Context, host string) error {
	h := s.host(host)
	if h != nil {
		select {
		case h <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case s.all <- struct{}{}:
		return nil
	case <-ctx.Done():
		if h != nil {
			<-h
		}
		return context.Cause(ctx)
	}
}

func (s *slots) give(host string) {
	<-s.all
	if h := s.host(host); h != nil {
		<-h
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
