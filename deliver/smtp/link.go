package smtp

import (
	"net"
	"sync"
	"time"
)

// link is the connection with its deadlines. Only cancel may be called from
// another goroutine.
type link struct {
	mu        sync.Mutex // guards the rest, for cancel
	nc        net.Conn
	cancelled bool
	final     bool // the final dot is written
}

// replace puts TLS in the place of the plain connection.
func (l *link) replace(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nc = nc
}

// arm sets the deadline of the next step, unless the run is cancelled.
func (l *link) arm(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setDeadline(d)
}

// await says whether the final dot is written: cancel leaves its reply a grace
// time.
func (l *link) await(final bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.final = final
}

// cancel interrupts the step under way, but leaves the reply to a final dot
// its grace time.
func (l *link) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelled = true
	l.setDeadline(cancelGrace)
}

func (l *link) setDeadline(d time.Duration) {
	switch {
	case l.cancelled && !l.final:
		_ = l.nc.SetDeadline(time.Unix(1, 0)) // long past
	case l.cancelled:
		_ = l.nc.SetDeadline(time.Now().Add(min(d, cancelGrace)))
	default:
		_ = l.nc.SetDeadline(time.Now().Add(d))
	}
}

func (l *link) interrupted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cancelled
}
