package pop3test

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// DelayProxy forwards TCP connections and holds each chunk for half the round
// trip time in either direction, without a limit on bandwidth unless SetRate
// sets one.
type DelayProxy struct {
	// Host and Port are where it listens.
	Host string
	Port int

	target   string
	half     time.Duration
	listener net.Listener
	done     chan struct{}
	wg       sync.WaitGroup
	up, down atomic.Int64
	cutAfter atomic.Int64
	accepted atomic.Int64
	turns    atomic.Int64
	rate     atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// chunksInFlight bounds what is held, per direction; a chunk is at most
// chunkSize, so that 64 MiB can be under way. What follows a chunk within the
// time of coalesce becomes one chunk: a proxy that wakes up for each packet
// takes a processor from what it measures.
const (
	chunksInFlight = 1024
	chunkSize      = 64 << 10
	coalesce       = 500 * time.Microsecond
)

var chunkPool = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// NewDelayProxy starts a proxy to target ("host:port"). The caller must Close
// it.
func NewDelayProxy(target string, rtt time.Duration) *DelayProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	addr := l.Addr().(*net.TCPAddr)
	p := &DelayProxy{Host: addr.IP.String(), Port: addr.Port, target: target, half: rtt / 2,
		listener: l, done: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p
}

// Addr is "host:port".
func (p *DelayProxy) Addr() string { return net.JoinHostPort(p.Host, fmt.Sprint(p.Port)) }

// CutAfter cuts each connection when n bytes in all have gone to the clients,
// counted from now; the first n arrive. Zero never cuts.
func (p *DelayProxy) CutAfter(n int64) {
	p.down.Store(0)
	p.cutAfter.Store(n)
}

// SetRate bounds what goes to each client to n bytes a second; zero is no bound.
func (p *DelayProxy) SetRate(n int64) { p.rate.Store(n) }

// Up is the number of bytes forwarded so far to the server.
func (p *DelayProxy) Up() int64 { return p.up.Load() }

// Down is the number of bytes forwarded so far to the clients, since the last
// CutAfter.
func (p *DelayProxy) Down() int64 { return p.down.Load() }

// Connections is the number of connections accepted so far.
func (p *DelayProxy) Connections() int { return int(p.accepted.Load()) }

// Turns is how often so far a client has sent something after the server had:
// the round trips that clients waited for, if they have one command under way
// at a time.
func (p *DelayProxy) Turns() int64 { return p.turns.Load() }

// Close cuts all connections and waits. It is called once.
func (p *DelayProxy) Close() {
	p.mu.Lock()
	close(p.done)
	p.listener.Close()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *DelayProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		p.wg.Go(func() { p.forward(client) })
	}
}

// hold remembers a connection for Close; false once closed.
func (p *DelayProxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		c.Close()
		return false
	default:
		p.conns[c] = true
		return true
	}
}

func (p *DelayProxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *DelayProxy) forward(client net.Conn) {
	if !p.hold(client) {
		return
	}
	defer p.drop(client)
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil || !p.hold(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	var answered atomic.Bool // by the server, since the client last sent
	both.Go(func() { p.copy(server, &turnReader{client, &answered, &p.turns}, &p.up, nil) })
	both.Go(func() { p.copy(client, &answerReader{server, &answered}, &p.down, &p.cutAfter) })
	both.Wait()
}

// answerReader notes that its side, the server, has sent.
type answerReader struct {
	net.Conn
	answered *atomic.Bool
}

func (r *answerReader) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if n > 0 {
		r.answered.Store(true)
	}
	return n, err
}

// turnReader counts how often its side, the client, sends after the server.
type turnReader struct {
	net.Conn
	answered *atomic.Bool
	turns    *atomic.Int64
}

func (r *turnReader) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if n > 0 && r.answered.CompareAndSwap(true, false) {
		r.turns.Add(1)
	}
	return n, err
}

// chunk is what one read gave, and when it may leave.
type chunk struct {
	data  []byte
	due   time.Time
	block *[chunkSize]byte // that data is in
}

// copy forwards one direction until its source ends, then passes the end on.
// What was read before the end still arrives.
func (p *DelayProxy) copy(dst, src net.Conn, count, limit *atomic.Int64) {
	queue := make(chan chunk, chunksInFlight)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(queue)
		for {
			block := chunkPool.Get().(*[chunkSize]byte)
			n, err := src.Read(block[:])
			if n > 0 {
				queue <- chunk{data: block[:n], due: time.Now().Add(p.half), block: block}
			}
			if err != nil {
				return
			}
			if n < chunkSize {
				time.Sleep(coalesce)
			}
		}
	})
	for c := range queue {
		if !p.deliver(dst, c, count, limit) {
			src.Close()
			dst.Close()
			break
		}
	}
	for range queue { // lets the reader end
	}
	reader.Wait()
	if tcp, ok := dst.(*net.TCPConn); ok {
		p.sleep(p.half)
		tcp.CloseWrite()
	}
}

// deliver waits until c is due and writes it, or as much as the limit leaves.
func (p *DelayProxy) deliver(dst net.Conn, c chunk, count, limit *atomic.Int64) bool {
	if !p.sleep(time.Until(c.due)) {
		return false
	}
	cut := false
	if limit != nil && limit.Load() > 0 {
		if left := max(limit.Load()-count.Load(), 0); int64(len(c.data)) >= left {
			c.data, cut = c.data[:left], true
		}
	}
	count.Add(int64(len(c.data))) // before: who has read it all may ask, or call CutAfter
	_, err := dst.Write(c.data)
	chunkPool.Put(c.block)
	return err == nil && !cut && (limit == nil || p.pace(len(c.data)))
}

// pace waits as long as n bytes take at the rate.
func (p *DelayProxy) pace(n int) bool {
	rate := p.rate.Load()
	return rate == 0 || p.sleep(time.Duration(n)*time.Second/time.Duration(rate))
}

// sleep waits, unless the proxy is closed meanwhile.
func (p *DelayProxy) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.done:
		return false
	}
}
