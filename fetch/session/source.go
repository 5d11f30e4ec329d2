package session

import (
	"context"
	"errors"
	"io"

	"golang.org/x/time/rate"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// rateBurst is what may come at once below a limit: at least one buffer.
const rateBurst = 256 << 10

// meter counts what arrives and holds it to the run's rate.
type meter struct {
	journal *ledger.Journal
	limiter *rate.Limiter // nil: as fast as it goes
}

// newMeter makes the meter of a run; zero octets a second: no limit.
func newMeter(j *ledger.Journal, bytesPerSecond int64) *meter {
	m := &meter{journal: j}
	if bytesPerSecond > 0 {
		m.limiter = rate.NewLimiter(rate.Limit(bytesPerSecond), rateBurst)
	}
	return m
}

// pass lets n octets through. The server is slowed down by TCP: what is not read
// is not sent.
func (m *meter) pass(ctx context.Context, n int) error {
	if n > 0 {
		m.journal.Received(n)
	}
	for m.limiter != nil && n > 0 {
		k := min(n, rateBurst)
		if err := m.limiter.WaitN(ctx, k); err != nil {
			return context.Cause(ctx)
		}
		n -= k
	}
	return nil
}

// source reads a message from the server, and remembers a broken connection, so
// that it differs from a target's failure. A message of which it is in
// doubt whether it is whole does not come to its end.
type source struct {
	r      io.Reader
	pass   func(n int) error
	client *pop3.Client
	err    error
	doubt  bool // err is about the message alone, not the connection
}

func (m *meter) source(ctx context.Context, c *pop3.Client, body io.Reader) *source {
	return &source{r: body, client: c, pass: func(n int) error { return m.pass(ctx, n) }}
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if werr := s.pass(n); werr != nil && err == nil {
		err = werr
	}
	if errors.Is(err, io.EOF) {
		if why := doubtOf(s.r); why != nil {
			err, s.doubt = why, true
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Err is why the body broke off.
func (s *source) Err() error { return s.err }

// Sure reports whether replies are in step with the commands.
func (s *source) Sure() bool { return s.client.Sure() }

// doubtOf is why a message that came to its end may not be whole, nil if it is.
// That is for package pop3 to find out: until it knows, the message has no end,
// so no target takes it.
func doubtOf(body io.Reader) error {
	if b, ok := body.(*pop3.Body); ok {
		return b.Doubt()
	}
	return nil
}
