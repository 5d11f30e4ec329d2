package pop3

import (
	"errors"
	"net"
	"os"
	"time"
)

// While much more is under way than fits into a read, the kernel need not wake
// us for each segment or TLS record of 16 KiB: that takes more processor time
// than what is done with it.
const (
	gatherOctets = bufSize               // what a read waits for
	gatherTime   = 20 * time.Millisecond // but no longer than this
	gatherPause  = 1 << 20               // and not for so many octets at first, or if it took longer
	gatherAhead  = 16 * gatherOctets     // under way, by the server's list, which may be wrong
)

// gatherConn is a TCP connection whose reads can return larger pieces.
type gatherConn struct {
	*net.TCPConn
	deadline time.Time
	on       bool
	pause    int  // octets to be read before it may be on again
	answered bool // something was read since the last write
}

// gather is called with the octets that are under way at least.
func (c *gatherConn) gather(ahead int64) {
	on := ahead >= gatherAhead
	if on == c.on || on && c.pause > 0 {
		return
	}
	if !on {
		_ = c.off()
		return
	}
	c.on = setReceiveLowWater(c.TCPConn, gatherOctets) == nil
	if !c.on {
		c.pause = gatherPause
	}
}

// off makes a read return with the first octet again.
func (c *gatherConn) off() error {
	c.on = false
	return errors.Join(setReceiveLowWater(c.TCPConn, 1), c.TCPConn.SetReadDeadline(c.deadline))
}

func (c *gatherConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	if c.on {
		return nil // Read has its own
	}
	return c.TCPConn.SetReadDeadline(t)
}

func (c *gatherConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *gatherConn) Write(p []byte) (int, error) {
	c.answered = false
	return c.TCPConn.Write(p)
}

// Read asks for an acknowledgement at once where a reply goes on. Servers that
// send one in several small pieces hold each back until the one before is
// acknowledged (Nagle's algorithm), and the kernel delays that by 40 ms.
func (c *gatherConn) Read(p []byte) (int, error) {
	if c.answered && !c.on {
		quickAck(c.TCPConn)
	}
	n, err := c.read(p)
	c.answered = c.answered || n > 0
	return n, err
}

func (c *gatherConn) read(p []byte) (int, error) {
	if c.on {
		n, err := c.gathered(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.pause = gatherPause
		if err := c.off(); err != nil {
			return 0, err
		}
	}
	n, err := c.TCPConn.Read(p)
	c.pause -= n
	return n, err
}

func (c *gatherConn) gathered(p []byte) (int, error) {
	until := time.Now().Add(gatherTime)
	if !c.deadline.IsZero() && c.deadline.Before(until) {
		until = c.deadline
	}
	if err := c.TCPConn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	return c.TCPConn.Read(p)
}
