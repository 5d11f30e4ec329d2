package fetch

import "sync"

// place is an account's place in Fetcher.Run: a slot as long as it is online,
// then one in the line of those that are reported. A nil place holds nothing and
// waits for nobody.
type place struct {
	free  func() // gives the slot back
	line  *line
	once  sync.Once
	ahead <-chan struct{} // closed when the one ahead was reported
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

// tell calls fn when those ahead in the line were reported.
func (p *place) tell(fn func()) {
	if p != nil {
		p.offline()
		<-p.ahead
		defer close(p.told)
	}
	fn()
}

// line is the order in which accounts are reported. Each in it closes told.
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
